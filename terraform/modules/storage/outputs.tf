output "account_id" {
  value = azurerm_storage_account.this.id
}

output "account_name" {
  value = azurerm_storage_account.this.name
}

output "container_id" {
  value = azurerm_storage_container.videos.id
}

output "container_name" {
  value = azurerm_storage_container.videos.name
}
