# What differs between cheap and production, and what must not.

mock_provider "azurerm" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  name                     = "acme"
  location                 = "westeurope"
  administrator_object_ids = ["44444444-4444-4444-4444-444444444444"]
  alert_emails             = ["operators@example.org"]
}

run "cheap_is_the_default_and_is_small" {
  command = plan

  assert {
    condition     = local.variant == local.variants.cheap
    error_message = "Who sets a name and a region only must get the cheap variant."
  }
  assert {
    condition     = local.variant.user_pool == null && length(local.variant.zones) == 0 && local.variant.sku_tier == "Free"
    error_message = "Cheap must be one pool without zones, in the free tier."
  }
  assert {
    condition     = length(module.vault) == 0 && length(module.monitoring) == 0 && length(module.database) == 0
    error_message = "Cheap must have no vault, no logs and no managed database."
  }
  assert {
    condition     = toset(keys(module.budget)) == toset(["nodes", "platform", "kept"])
    error_message = "Every group that costs must have a budget."
  }
  assert {
    condition     = output.vault_name == null && output.mongodb_host == null && output.mongodb_endpoint_prefix == null
    error_message = "The outputs of what is not there must be null."
  }
}

run "production_survives_a_zone" {
  command = plan

  variables {
    variant = "production"
  }

  assert {
    condition     = local.variant.zones == tolist(["1", "2", "3"]) && local.variant.system_pool.min_count >= 3 && local.variant.storage_replication == "ZRS"
    error_message = "Production must have three zones, a system node for each, and bytes in all of them."
  }
  assert {
    condition     = local.variant.sku_tier == "Standard" && local.variant.system_pool.addons_only
    error_message = "Production must have an SLA, and a system pool of its own."
  }
  assert {
    condition     = length(module.vault) == 1 && length(module.monitoring) == 1
    error_message = "Production must have a vault and logs."
  }
  assert {
    condition     = local.variant.old_version_days > local.variants.cheap.old_version_days
    error_message = "Production must keep what was deleted for longer."
  }
}

run "a_region_with_fewer_zones_is_possible" {
  command = plan

  variables {
    variant = "production"
    zones   = []
  }

  assert {
    condition     = length(local.variant.zones) == 0 && local.variant.storage_replication == "LRS" && !local.variant.mongodb_zones
    error_message = "Without zones nothing may be asked to lie in several."
  }
}

run "the_cluster_tells_ci_what_it_must_know" {
  command = plan

  assert {
    condition = output.deploy_facts == {
      namespace               = "flixtube"
      registry                = "acracme.azurecr.io"
      storage-account         = "stacme"
      storage-container       = "videos"
      video-storage-client-id = "88888888-8888-8888-8888-888888888888"
      public-host             = "acme.westeurope.cloudapp.azure.com"
      public-ip-name          = "pip-acme"
      kept-resource-group     = "rg-acme-kept"
    }
    error_message = "A fact that a deployment needs is missing or wrong."
  }
  assert {
    condition = {
      for tag, value in module.cluster.tags : trimprefix(tag, "flixtube-") => value if startswith(tag, "flixtube-")
    } == output.deploy_facts
    error_message = "The cluster's tags must say the same as the output."
  }
  assert {
    condition     = length(module.cluster.tags) <= 50 && alltrue([for tag, value in module.cluster.tags : !can(regex("[<>%&?/\\\\]", tag)) && length(value) <= 256])
    error_message = "Azure takes 50 tags, of 256 characters, without some characters in their names."
  }
}

run "the_scripts_find_what_they_need" {
  command = plan

  assert {
    condition = (
      output.resource_group == "rg-acme" && output.kept_resource_group == "rg-acme-kept" &&
      output.cluster_name == "aks-acme" && output.registry_name == "acracme" &&
      output.registry_login_server == "acracme.azurecr.io" &&
      output.storage_account_name == "stacme" && output.storage_container_name == "videos" &&
      output.namespace == "flixtube" && output.public_ip_address == "198.51.100.7" &&
      output.nodes_subnet_prefix == "10.64.0.0/20" &&
      output.tenant_id == "11111111-1111-1111-1111-111111111111" &&
      output.subscription_id == "22222222-2222-2222-2222-222222222222"
    )
    error_message = "An output that scripts use has another value."
  }
}

run "a_budget_can_be_set_by_itself" {
  command = plan

  variables {
    monthly_budgets = { nodes = 77 }
  }

  assert {
    condition     = module.budget["nodes"].amount == 77 && module.budget["kept"].amount == local.variants.cheap.monthly_budget.kept
    error_message = "A budget that is set must be taken, the others must stay."
  }
}

run "a_managed_database_that_is_there_is_planned_without_its_password" {
  command = plan

  variables {
    managed_mongodb = true
  }

  assert {
    condition     = output.mongodb_host != null
    error_message = "A plan must need no password, or everybody who plans would have to know it."
  }
}

run "a_managed_database_gives_its_host_and_no_password" {
  command = plan

  variables {
    managed_mongodb          = true
    managed_mongodb_password = "hunter2hunter2hunter2"
  }

  assert {
    condition     = output.mongodb_host == "mongo-acme.global.mongocluster.cosmos.azure.com"
    error_message = "mongodb_host must be the host of the connection string and nothing else of it."
  }
  assert {
    condition     = output.mongodb_endpoint_prefix == "10.64.16.0/27"
    error_message = "The endpoint must lie in its own subnet."
  }
  assert {
    condition = (
      output.deploy_facts["mongodb-host"] == output.mongodb_host &&
      output.deploy_facts["mongodb-endpoint-prefix"] == output.mongodb_endpoint_prefix &&
      module.cluster.tags["flixtube-mongodb-host"] == output.mongodb_host
    )
    error_message = "A deployment must be told where the managed MongoDB is."
  }
}

run "other_machines_can_be_chosen" {
  command = plan

  variables {
    variant        = "production"
    system_vm_size = "Standard_D2ds_v6"
    user_vm_size   = "Standard_D8ads_v6"
  }

  assert {
    condition     = local.variant.system_pool.vm_size == "Standard_D2ds_v6" && local.variant.user_pool.vm_size == "Standard_D8ads_v6"
    error_message = "The sizes must reach the pools."
  }
}
