# Both are ours and not made by AKS: the rights that they need can be there before the cluster is.

resource "azurerm_user_assigned_identity" "control_plane" {
  name                = "id-${var.name}-control-plane"
  resource_group_name = var.resource_group_name
  location            = var.location
  tags                = var.tags
}

resource "azurerm_user_assigned_identity" "kubelet" {
  name                = "id-${var.name}-kubelet"
  resource_group_name = var.resource_group_name
  location            = var.location
  tags                = var.tags
}

locals {
  # What the control plane must have before it can make nodes and load balancers.
  control_plane_grants = {
    gives_nodes_their_identity = {
      role  = "Managed Identity Operator"
      scope = azurerm_user_assigned_identity.kubelet.id
    }
    puts_nodes_in_subnet = {
      role  = "Network Contributor"
      scope = var.subnet_id
    }
    puts_address_on_load_balancer = {
      role  = "Network Contributor"
      scope = var.public_ip_id
    }
    # It finds the address by listing those of the group.
    lists_addresses = {
      role  = "Reader"
      scope = var.network_resource_group
    }
  }
}

resource "azurerm_role_assignment" "control_plane" {
  for_each = local.control_plane_grants

  scope                = each.value.scope
  role_definition_name = each.value.role
  principal_id         = azurerm_user_assigned_identity.control_plane.principal_id
  principal_type       = "ServicePrincipal"
}
