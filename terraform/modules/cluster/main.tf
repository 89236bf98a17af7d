# The Kubernetes cluster. People and CI enter with Entra ID, nodes and pods have identities, and no
# password or certificate lets anybody in.

resource "azurerm_kubernetes_cluster" "this" {
  #checkov:skip=CKV_AZURE_115:hosted CI runners must reach the API server; Entra ID with local accounts off stands before it
  #checkov:skip=CKV_AZURE_116:Pod Security Admission and network policies hold in k8s on any cluster; Azure Policy without assigned policies does nothing
  #checkov:skip=CKV_AZURE_117:the platform's keys encrypt disks; a key of one's own adds a way to lose them
  #checkov:skip=CKV_AZURE_172:the secrets store driver is not installed, so there is nothing to rotate
  #checkov:skip=CKV_AZURE_227:production encrypts at the host; the cheap variant does without, which needs no feature in the subscription
  name                = var.name
  resource_group_name = var.resource_group_name
  node_resource_group = var.node_resource_group
  location            = var.location
  dns_prefix          = var.name
  sku_tier            = var.sku_tier
  # Shows what each namespace costs. AKS offers it with the SLA only.
  cost_analysis_enabled = var.sku_tier != "Free"
  tags                  = var.tags

  # ---- Versions: patches and node images come by themselves, in the windows below.
  kubernetes_version           = var.kubernetes_version
  automatic_upgrade_channel    = "patch"
  node_os_upgrade_channel      = "NodeImage"
  image_cleaner_enabled        = true
  image_cleaner_interval_hours = 168

  maintenance_window_auto_upgrade {
    frequency   = "Weekly"
    interval    = 1
    day_of_week = "Tuesday"
    start_time  = "02:00"
    utc_offset  = "+00:00"
    duration    = 6
  }
  maintenance_window_node_os {
    frequency   = "Weekly"
    interval    = 1
    day_of_week = "Wednesday"
    start_time  = "02:00"
    utc_offset  = "+00:00"
    duration    = 6
  }

  # ---- Who may enter
  local_account_disabled            = true
  role_based_access_control_enabled = true
  run_command_enabled               = false
  oidc_issuer_enabled               = true
  workload_identity_enabled         = true

  azure_active_directory_role_based_access_control {
    tenant_id          = var.tenant_id
    azure_rbac_enabled = true
  }

  dynamic "api_server_access_profile" {
    for_each = length(var.authorized_ip_ranges) > 0 ? [var.authorized_ip_ranges] : []

    content {
      authorized_ip_ranges = api_server_access_profile.value
    }
  }

  identity {
    type         = "UserAssigned"
    identity_ids = [azurerm_user_assigned_identity.control_plane.id]
  }
  kubelet_identity {
    client_id                 = azurerm_user_assigned_identity.kubelet.client_id
    object_id                 = azurerm_user_assigned_identity.kubelet.principal_id
    user_assigned_identity_id = azurerm_user_assigned_identity.kubelet.id
  }

  # ---- Nodes
  default_node_pool {
    name                         = "system"
    vm_size                      = var.system_pool.vm_size
    auto_scaling_enabled         = true
    min_count                    = var.system_pool.min_count
    max_count                    = var.system_pool.max_count
    max_pods                     = 110
    only_critical_addons_enabled = var.system_pool.addons_only
    os_sku                       = "AzureLinux"
    os_disk_type                 = var.system_pool.os_disk_type
    os_disk_size_gb              = var.system_pool.os_disk_size_gb
    host_encryption_enabled      = var.system_pool.host_encryption
    vnet_subnet_id               = var.subnet_id
    zones                        = length(var.zones) == 0 ? null : var.zones
    # Of another size or disk, the pool is made anew under this name first.
    temporary_name_for_rotation = "systemnew"
    tags                        = var.tags

    upgrade_settings {
      max_surge                     = "33%"
      drain_timeout_in_minutes      = 30
      node_soak_duration_in_minutes = 0
    }
  }

  # Pools are made here, not by Karpenter: a team knows beforehand what it will pay for.
  node_provisioning_profile {
    mode = "Manual"
  }

  auto_scaler_profile {
    # The pools of the zones are alike, and are kept alike in number.
    balance_similar_node_groups = true
    expander                    = "least-waste"
    # Pods here hold nothing on a node's disk that they need again; what they need is in volumes.
    skip_nodes_with_local_storage = false
    # Longer than a pod takes to drain.
    max_graceful_termination_sec = "600"
  }

  workload_autoscaler_profile {
    keda_enabled = true
  }

  # ---- Network
  network_profile {
    network_plugin      = "azure"
    network_plugin_mode = "overlay"
    network_data_plane  = "cilium"
    network_policy      = "cilium"
    pod_cidr            = "10.244.0.0/16"
    service_cidr        = "10.96.0.0/16"
    dns_service_ip      = "10.96.0.10"
    load_balancer_sku   = "standard"
    outbound_type       = "loadBalancer"

    load_balancer_profile {
      managed_outbound_ip_count = 1
      # The longest that there is: a connection to the broker may be silent for long.
      idle_timeout_in_minutes = 30
    }
  }

  dynamic "oms_agent" {
    for_each = var.logs == null ? [] : [var.logs]

    content {
      log_analytics_workspace_id      = oms_agent.value.workspace_id
      msi_auth_for_monitoring_enabled = true
    }
  }

  lifecycle {
    ignore_changes = [default_node_pool[0].node_count]
  }

  depends_on = [azurerm_role_assignment.control_plane]
}

# A pool for each zone and not one over all: the autoscaler can then make a node in the very zone in
# which a waiting pod's volume is.
resource "azurerm_kubernetes_cluster_node_pool" "user" {
  #checkov:skip=CKV_AZURE_227:host encryption comes from the variant: on
  for_each = var.user_pool == null ? toset([]) : toset(length(var.zones) == 0 ? ["0"] : var.zones)

  name                    = each.key == "0" ? "user" : "user${each.key}"
  kubernetes_cluster_id   = azurerm_kubernetes_cluster.this.id
  mode                    = "User"
  vm_size                 = var.user_pool.vm_size
  auto_scaling_enabled    = true
  min_count               = var.user_pool.min_count
  max_count               = var.user_pool.max_count
  max_pods                = 110
  os_sku                  = "AzureLinux"
  os_disk_type            = var.user_pool.os_disk_type
  os_disk_size_gb         = var.user_pool.os_disk_size_gb
  host_encryption_enabled = var.user_pool.host_encryption
  vnet_subnet_id          = var.subnet_id
  zones                   = each.key == "0" ? null : [each.key]
  # Of another size or disk, the pool is made anew under this name first.
  temporary_name_for_rotation = "usernew${each.key}"
  tags                        = var.tags

  upgrade_settings {
    max_surge                     = "33%"
    drain_timeout_in_minutes      = 30
    node_soak_duration_in_minutes = 0
  }

  lifecycle {
    ignore_changes = [node_count]
  }
}
