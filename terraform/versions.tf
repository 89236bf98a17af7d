terraform {
  # 1.11 is the first version whose tests can mock the values that Azure gives during a plan.
  required_version = ">= 1.11, < 2.0"

  required_providers {
    azurerm = {
      source  = "hashicorp/azurerm"
      version = "5.2.0"
    }
  }

  # The rest is in backend.hcl, which scripts/bootstrap-state writes. The state is a blob, and a
  # lease on that blob is the lock. Entra ID opens it, never an account key.
  backend "azurerm" {
    use_azuread_auth = true
  }
}

provider "azurerm" {
  # Null: ARM_SUBSCRIPTION_ID says it.
  subscription_id = var.subscription_id

  # Registering needs rights over the whole subscription, which an identity that only plans must not
  # have. scripts/bootstrap-state does it once.
  resource_provider_registrations = "none"

  # There are no account keys to sign in with.
  storage_use_azuread = true

  features {
    resource_group {
      # Whatever somebody put beside ours must be looked at by a person before it goes.
      prevent_deletion_if_contains_resources = true
    }
    key_vault {
      purge_soft_delete_on_destroy    = false
      recover_soft_deleted_key_vaults = true
    }
  }
}
