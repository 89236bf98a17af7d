# What each module makes, whatever the root asks of it.

mock_provider "azurerm" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  name                = "acme"
  resource_group_name = "rg-acme"
  location            = "westeurope"
}

run "registry_takes_no_passwords" {
  command = plan

  module {
    source = "./modules/registry"
  }
  variables {
    name = "acracme"
    sku  = "Standard"
  }

  assert {
    condition     = !azurerm_container_registry.this.admin_enabled
    error_message = "The registry must have no admin user."
  }
  assert {
    condition     = !azurerm_container_registry.this.anonymous_pull_enabled
    error_message = "The registry must be private."
  }
}

run "videos_are_private" {
  command = plan

  module {
    source = "./modules/storage"
  }
  variables {
    name              = "stacme"
    replication       = "ZRS"
    deleted_kept_days = 30
    old_version_days  = 40
    allowed_subnet_id = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg-acme-kept/providers/Microsoft.Network/virtualNetworks/vnet-acme/subnets/nodes"
    allowed_ip_ranges = ["198.51.100.0/24"]
  }

  assert {
    condition     = !azurerm_storage_account.this.shared_access_key_enabled && azurerm_storage_account.this.default_to_oauth_authentication && !azurerm_storage_account.this.local_user_enabled
    error_message = "Nobody may sign in with a key or as a local user."
  }
  assert {
    condition     = !azurerm_storage_account.this.allow_nested_items_to_be_public && azurerm_storage_container.videos.container_access_type == "private"
    error_message = "No blob may be public."
  }
  assert {
    condition     = azurerm_storage_account.this.min_tls_version == "TLS1_2" && azurerm_storage_account.this.https_traffic_only_enabled
    error_message = "Nothing may go unencrypted."
  }
  assert {
    condition     = azurerm_storage_account.this.network_rules[0].default_action == "Deny" && azurerm_storage_account.this.network_rules[0].ip_rules == toset(["198.51.100.0/24"]) && length(azurerm_storage_account.this.network_rules[0].virtual_network_subnet_ids) == 1
    error_message = "Only the nodes and the operators may reach the account."
  }
  assert {
    condition     = !azurerm_storage_account.this.cross_tenant_replication_enabled && azurerm_storage_account.this.allowed_copy_scope == "AAD"
    error_message = "Nothing may be copied to another tenant."
  }
}

run "what_is_deleted_comes_back_and_then_ends" {
  command = plan

  module {
    source = "./modules/storage"
  }
  variables {
    name              = "stacme"
    replication       = "LRS"
    deleted_kept_days = 9
    old_version_days  = 11
    allowed_subnet_id = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg-acme-kept/providers/Microsoft.Network/virtualNetworks/vnet-acme/subnets/nodes"
    allowed_ip_ranges = []
  }

  assert {
    condition     = azurerm_storage_account.this.blob_properties[0].versioning_enabled
    error_message = "Blobs must have versions."
  }
  assert {
    condition     = azurerm_storage_account.this.blob_properties[0].delete_retention_policy[0].days == 9 && azurerm_storage_account.this.blob_properties[0].container_delete_retention_policy[0].days == 9
    error_message = "Deleted blobs and containers must be kept for a while."
  }
  assert {
    condition     = azurerm_storage_management_policy.this.rule[0].enabled && azurerm_storage_management_policy.this.rule[0].actions[0].version[0].delete_after_days_since_creation == 11
    error_message = "Old versions must end."
  }
  assert {
    condition     = length(azurerm_storage_management_policy.this.rule) == 1 && length(azurerm_storage_management_policy.this.rule[0].actions[0].base_blob) == 0
    error_message = "No rule may delete or move a video itself."
  }
}

run "vault_is_closed_and_cannot_be_purged" {
  command = plan

  module {
    source = "./modules/vault"
  }
  variables {
    name              = "kv-acme"
    tenant_id         = "11111111-1111-1111-1111-111111111111"
    allowed_ip_ranges = ["198.51.100.7"]
  }

  assert {
    condition     = azurerm_key_vault.this.rbac_authorization_enabled && azurerm_key_vault.this.purge_protection_enabled && azurerm_key_vault.this.soft_delete_retention_days == 90
    error_message = "The vault must go by roles, and keep what was deleted."
  }
  assert {
    condition     = azurerm_key_vault.this.network_acls[0].default_action == "Deny" && azurerm_key_vault.this.network_acls[0].ip_rules == toset(["198.51.100.7"])
    error_message = "The vault must be closed to all but the operators."
  }
}

run "network_lets_in_the_web_and_nothing_else" {
  command = plan

  module {
    source = "./modules/network"
  }
  variables {
    address_space = "10.64.0.0/16"
    zones         = ["1", "2", "3"]
  }

  assert {
    condition = [
      for rule in azurerm_network_security_group.nodes.security_rule : sort(rule.destination_port_ranges) if rule.access == "Allow"
    ] == [tolist(["443", "80"])]
    error_message = "From outside, only ports 80 and 443 may be open."
  }
  assert {
    condition     = one([for rule in azurerm_network_security_group.endpoints.security_rule : rule.source_address_prefixes if rule.access == "Allow"]) == toset(["10.64.0.0/20"])
    error_message = "Only the nodes may reach the endpoints."
  }
  assert {
    condition     = one([for rule in azurerm_network_security_group.endpoints.security_rule : rule.priority if rule.access == "Deny" && rule.destination_port_range == "*"]) > 100
    error_message = "Everything else must be refused, after what is allowed."
  }
  assert {
    condition     = !azurerm_subnet.nodes.default_outbound_access_enabled && !azurerm_subnet.endpoints.default_outbound_access_enabled
    error_message = "No machine may go out by an address that is not ours."
  }
  assert {
    condition     = one(azurerm_subnet.nodes.service_endpoint).service == "Microsoft.Storage"
    error_message = "The storage account's firewall must know the nodes."
  }
  assert {
    condition     = azurerm_public_ip.viewers.allocation_method == "Static" && toset(azurerm_public_ip.viewers.zones) == toset(["1", "2", "3"]) && azurerm_public_ip.viewers.idle_timeout_in_minutes == 30
    error_message = "The viewers' address must stay, be in all zones, and be patient."
  }
}

run "cheap_cluster_has_one_pool" {
  command = plan

  module {
    source = "./modules/cluster"
  }
  variables {
    name                   = "aks-acme"
    node_resource_group    = "rg-acme-nodes"
    tenant_id              = "11111111-1111-1111-1111-111111111111"
    kubernetes_version     = null
    sku_tier               = "Free"
    zones                  = []
    system_pool            = { vm_size = "Standard_D2as_v5", min_count = 1, max_count = 3, addons_only = false, os_disk_type = "Managed", os_disk_size_gb = 32, host_encryption = false }
    user_pool              = null
    network_resource_group = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg-acme-kept"
    subnet_id              = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg-acme-kept/providers/Microsoft.Network/virtualNetworks/vnet-acme/subnets/nodes"
    public_ip_id           = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg-acme-kept/providers/Microsoft.Network/publicIPAddresses/pip-acme"
    authorized_ip_ranges   = []
    logs                   = null
  }

  assert {
    condition     = length(azurerm_kubernetes_cluster_node_pool.user) == 0
    error_message = "There must be no second pool."
  }
  assert {
    condition     = azurerm_kubernetes_cluster.this.sku_tier == "Free" && !azurerm_kubernetes_cluster.this.cost_analysis_enabled
    error_message = "The free tier has no cost analysis, and Azure refuses it."
  }
  assert {
    condition     = length(azurerm_kubernetes_cluster.this.oms_agent) == 0 && length(azurerm_kubernetes_cluster.this.api_server_access_profile) == 0
    error_message = "Without logs and networks there must be no blocks for them."
  }
}

run "production_cluster_has_a_pool_for_each_zone" {
  command = plan

  module {
    source = "./modules/cluster"
  }
  variables {
    name                   = "aks-acme"
    node_resource_group    = "rg-acme-nodes"
    tenant_id              = "11111111-1111-1111-1111-111111111111"
    kubernetes_version     = "1.33"
    sku_tier               = "Standard"
    zones                  = ["1", "2", "3"]
    system_pool            = { vm_size = "Standard_D2ads_v5", min_count = 3, max_count = 5, addons_only = true, os_disk_type = "Ephemeral", os_disk_size_gb = 64, host_encryption = true }
    user_pool              = { vm_size = "Standard_D4ads_v5", min_count = 1, max_count = 4, os_disk_type = "Ephemeral", os_disk_size_gb = 128, host_encryption = true }
    network_resource_group = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg-acme-kept"
    subnet_id              = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg-acme-kept/providers/Microsoft.Network/virtualNetworks/vnet-acme/subnets/nodes"
    public_ip_id           = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg-acme-kept/providers/Microsoft.Network/publicIPAddresses/pip-acme"
    authorized_ip_ranges   = ["198.51.100.0/24"]
    logs                   = { workspace_id = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg-acme/providers/Microsoft.OperationalInsights/workspaces/log-acme" }
  }

  assert {
    condition     = { for zone, pool in azurerm_kubernetes_cluster_node_pool.user : pool.name => pool.zones } == { user1 = toset(["1"]), user2 = toset(["2"]), user3 = toset(["3"]) }
    error_message = "Each zone must have a pool of its own."
  }
  assert {
    condition     = alltrue([for pool in azurerm_kubernetes_cluster_node_pool.user : pool.auto_scaling_enabled && pool.min_count >= 1 && pool.max_count > pool.min_count])
    error_message = "Every pool must scale."
  }
  assert {
    condition     = azurerm_kubernetes_cluster.this.default_node_pool[0].auto_scaling_enabled && azurerm_kubernetes_cluster.this.default_node_pool[0].only_critical_addons_enabled && toset(azurerm_kubernetes_cluster.this.default_node_pool[0].zones) == toset(["1", "2", "3"])
    error_message = "The system pool must scale, lie in all zones and be the cluster's own."
  }
  assert {
    condition     = azurerm_kubernetes_cluster.this.local_account_disabled && azurerm_kubernetes_cluster.this.azure_active_directory_role_based_access_control[0].azure_rbac_enabled && !azurerm_kubernetes_cluster.this.run_command_enabled
    error_message = "Only Entra ID may let anybody in."
  }
  assert {
    condition     = azurerm_kubernetes_cluster.this.oidc_issuer_enabled && azurerm_kubernetes_cluster.this.workload_identity_enabled
    error_message = "Pods must be able to have identities."
  }
  assert {
    condition     = azurerm_kubernetes_cluster.this.network_profile[0].network_policy == "cilium" && azurerm_kubernetes_cluster.this.network_profile[0].network_data_plane == "cilium"
    error_message = "Network policies must be enforced, by Cilium."
  }
  assert {
    condition     = azurerm_kubernetes_cluster.this.automatic_upgrade_channel == "patch" && azurerm_kubernetes_cluster.this.node_os_upgrade_channel == "NodeImage" && length(azurerm_kubernetes_cluster.this.maintenance_window_auto_upgrade) == 1 && length(azurerm_kubernetes_cluster.this.maintenance_window_node_os) == 1
    error_message = "Upgrades must come by themselves, in their windows."
  }
  assert {
    condition     = azurerm_kubernetes_cluster.this.api_server_access_profile[0].authorized_ip_ranges == toset(["198.51.100.0/24"])
    error_message = "The API server must be closed to all but the given networks."
  }
  assert {
    condition     = azurerm_kubernetes_cluster.this.oms_agent[0].msi_auth_for_monitoring_enabled
    error_message = "The log agent must sign in with an identity."
  }
  assert {
    condition     = azurerm_kubernetes_cluster.this.workload_autoscaler_profile[0].keda_enabled
    error_message = "KEDA must be there for the scaled objects."
  }
  assert {
    condition     = toset(keys(azurerm_role_assignment.control_plane)) == toset(["gives_nodes_their_identity", "puts_nodes_in_subnet", "puts_address_on_load_balancer", "lists_addresses"]) && alltrue([for name, g in azurerm_role_assignment.control_plane : g.role_definition_name == "Reader" || !endswith(g.scope, "/rg-acme-kept")])
    error_message = "The control plane must have its four rights, and only read the group."
  }
}

run "a_cluster_without_room_for_flixtube_is_refused" {
  command = plan

  module {
    source = "./modules/cluster"
  }
  variables {
    name                   = "aks-acme"
    node_resource_group    = "rg-acme-nodes"
    tenant_id              = "11111111-1111-1111-1111-111111111111"
    kubernetes_version     = null
    sku_tier               = "Free"
    zones                  = []
    system_pool            = { vm_size = "Standard_D2as_v5", min_count = 1, max_count = 3, addons_only = true, os_disk_type = "Managed", os_disk_size_gb = 32, host_encryption = false }
    user_pool              = null
    network_resource_group = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg-acme-kept"
    subnet_id              = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg-acme-kept/providers/Microsoft.Network/virtualNetworks/vnet-acme/subnets/nodes"
    public_ip_id           = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg-acme-kept/providers/Microsoft.Network/publicIPAddresses/pip-acme"
    authorized_ip_ranges   = []
    logs                   = null
  }

  expect_failures = [var.user_pool]
}

run "an_identity_trusts_one_subject" {
  command = plan

  module {
    source = "./modules/identity"
  }
  variables {
    credential = { name = "main", issuer = "https://issuer.example", subject = "repo:acme/*:ref:refs/heads/main" }
  }

  expect_failures = [var.credential]
}

run "the_managed_database_is_private" {
  command = plan

  module {
    source = "./modules/database"
  }
  variables {
    name                   = "mongo-acme"
    compute_tier           = "M30"
    zone_redundant         = true
    storage_size_gb        = 64
    administrator_password = "hunter2hunter2hunter2"
    virtual_network_id     = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg-acme-kept/providers/Microsoft.Network/virtualNetworks/vnet-acme"
    subnet_id              = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg-acme-kept/providers/Microsoft.Network/virtualNetworks/vnet-acme/subnets/endpoints"
  }

  assert {
    condition     = azurerm_mongo_cluster.this.public_network_access == "Disabled" && azurerm_private_endpoint.this.private_service_connection[0].subresource_names == tolist(["MongoCluster"])
    error_message = "The database must be reached by its private endpoint only."
  }
  assert {
    condition     = azurerm_mongo_cluster.this.high_availability_mode == "ZoneRedundantPreferred"
    error_message = "With zones there must be a standby."
  }
}

run "budgets_warn_before_and_after" {
  command = plan

  module {
    source = "./modules/budget"
  }
  variables {
    name              = "acme-nodes"
    resource_group_id = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg-acme"
    amount            = 10
    emails            = ["operators@example.org"]
  }

  assert {
    condition = toset([for n in azurerm_consumption_budget_resource_group.this.notification : "${n.threshold_type} ${n.threshold}"]) == toset([
      "Forecasted 100", "Actual 80", "Actual 100",
    ])
    error_message = "A budget must warn when it will be used up, when it nearly is, and when it is."
  }
  assert {
    condition     = endswith(azurerm_consumption_budget_resource_group.this.time_period[0].start_date, "-01T00:00:00Z")
    error_message = "Azure wants the first of a month."
  }
}

run "monitoring_sees_who_did_what" {
  command = plan

  module {
    source = "./modules/monitoring"
  }
  variables {
    resource_group_id  = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg-acme"
    emails             = ["operators@example.org"]
    cluster_id         = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg-acme/providers/Microsoft.ContainerService/managedClusters/aks-acme"
    storage_account_id = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg-acme-kept/providers/Microsoft.Storage/storageAccounts/stacme"
    vault_id           = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg-acme-kept/providers/Microsoft.KeyVault/vaults/kv-acme"
  }

  assert {
    condition     = contains([for log in azurerm_monitor_diagnostic_setting.cluster.enabled_log : log.category], "kube-audit-admin")
    error_message = "Every change in the cluster must be on record."
  }
  assert {
    condition     = toset([for log in azurerm_monitor_diagnostic_setting.videos.enabled_log : log.category]) == toset(["StorageWrite", "StorageDelete"])
    error_message = "Writes and deletions of videos must be on record, and reads must not."
  }
  assert {
    condition     = azurerm_log_analytics_workspace.this.daily_quota_gb > 0 && !azurerm_log_analytics_workspace.this.local_authentication_enabled
    error_message = "Logs must have a limit, and no keys."
  }
  assert {
    condition     = length(azurerm_monitor_metric_alert.this) == 3 && alltrue([for alert in azurerm_monitor_metric_alert.this : length(alert.action) == 1])
    error_message = "Every alert must tell somebody."
  }
}
