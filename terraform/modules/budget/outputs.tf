output "amount" {
  value = azurerm_consumption_budget_resource_group.this.amount
}
