# An identity without a password or a key: a token of its one trusted issuer and subject stands for it.
# It may do nothing by itself; the root's access.tf gives it its rights.

resource "azurerm_user_assigned_identity" "this" {
  name                = var.name
  resource_group_name = var.resource_group_name
  location            = var.location
  tags                = var.tags
}

resource "azurerm_federated_identity_credential" "this" {
  name                      = var.credential.name
  user_assigned_identity_id = azurerm_user_assigned_identity.this.id
  audience                  = ["api://AzureADTokenExchange"]
  issuer                    = var.credential.issuer
  subject                   = var.credential.subject
}
