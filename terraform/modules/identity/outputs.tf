output "client_id" {
  value = azurerm_user_assigned_identity.this.client_id
}

output "principal_id" {
  value = azurerm_user_assigned_identity.this.principal_id
}

output "trusts" {
  description = "Whose tokens stand for it."
  value = {
    issuer   = azurerm_federated_identity_credential.this.issuer
    subject  = azurerm_federated_identity_credential.this.subject
    audience = azurerm_federated_identity_credential.this.audience
  }
}
