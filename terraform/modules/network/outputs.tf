output "id" {
  value = azurerm_virtual_network.this.id
}

output "nodes_subnet_id" {
  # Known once the firewall's rules are on it, so that no node starts before them.
  value      = azurerm_subnet.nodes.id
  depends_on = [azurerm_subnet_network_security_group_association.nodes]
}

output "nodes_subnet_prefix" {
  value = one(azurerm_subnet.nodes.address_prefixes)
}

output "endpoints_subnet_id" {
  value      = azurerm_subnet.endpoints.id
  depends_on = [azurerm_subnet_network_security_group_association.endpoints]
}

output "endpoints_subnet_prefix" {
  value = one(azurerm_subnet.endpoints.address_prefixes)
}

output "public_ip_id" {
  value = azurerm_public_ip.viewers.id
}

output "public_ip_name" {
  value = azurerm_public_ip.viewers.name
}

output "public_ip_address" {
  value = azurerm_public_ip.viewers.ip_address
}

output "public_host" {
  value = azurerm_public_ip.viewers.fqdn
}
