# The videos' bytes. No keys, no public blobs, no network but the nodes' and the operators'.

resource "azurerm_storage_account" "this" {
  #checkov:skip=CKV_AZURE_33:there are no queues
  #checkov:skip=CKV_AZURE_59:its firewall refuses all but the nodes' subnet and the operators' networks
  #checkov:skip=CKV_AZURE_206:a second region doubles the price of every byte; ZRS survives the loss of a zone, and docs tell how to copy
  #checkov:skip=CKV2_AZURE_1:the platform's keys encrypt; a key of one's own adds a way to lose every video
  #checkov:skip=CKV2_AZURE_33:a private endpoint costs for every byte of every video; the subnet's service endpoint costs nothing and the firewall is the same
  name                            = var.name
  resource_group_name             = var.resource_group_name
  location                        = var.location
  account_tier                    = "Standard"
  account_replication_type        = var.replication
  min_tls_version                 = "TLS1_2"
  https_traffic_only_enabled      = true
  shared_access_key_enabled       = false
  default_to_oauth_authentication = true
  allow_nested_items_to_be_public = false
  local_user_enabled              = false
  # No copy job may carry the videos to another tenant's account.
  cross_tenant_replication_enabled = false
  allowed_copy_scope               = "AAD"
  tags                             = var.tags

  blob_properties {
    versioning_enabled = true

    delete_retention_policy {
      days = var.deleted_kept_days
    }
    container_delete_retention_policy {
      days = var.deleted_kept_days
    }
  }

  # Only for signatures made with keys, and there are none. Should keys ever be switched on, no
  # signature lives longer than a day.
  sas_policy {
    expiration_period = "1.00:00:00"
    expiration_action = "Block"
  }

  network_rules {
    default_action             = "Deny"
    bypass                     = ["AzureServices"]
    virtual_network_subnet_ids = [var.allowed_subnet_id]
    ip_rules                   = var.allowed_ip_ranges
  }

  lifecycle {
    prevent_destroy = true
  }
}

resource "azurerm_storage_container" "videos" {
  #checkov:skip=CKV2_AZURE_21:modules/monitoring logs writes and deletions; reads would be a line for each range of each viewer
  name                  = "videos"
  storage_account_id    = azurerm_storage_account.this.id
  container_access_type = "private"

  lifecycle {
    prevent_destroy = true
  }
}

# With versioning, a deleted or replaced blob becomes an old version. This is where that ends: a video
# that somebody deletes is gone for good after these days, and no longer paid for.
resource "azurerm_storage_management_policy" "this" {
  storage_account_id = azurerm_storage_account.this.id

  rule {
    name    = "old-versions-end"
    enabled = true

    filters {
      blob_types = ["blockBlob"]
    }
    actions {
      version {
        delete_after_days_since_creation = var.old_version_days
      }
      snapshot {
        delete_after_days_since_creation_greater_than = var.old_version_days
      }
    }
  }
}
