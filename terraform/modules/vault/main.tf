# A place for copies of the cluster's secrets: with the keys of cookies and sessions, a cluster made
# anew is the same one to its viewers. Terraform makes the vault and never sees what is in it.

resource "azurerm_key_vault" "this" {
  #checkov:skip=CKV_AZURE_189:its firewall refuses all but the operators' networks
  #checkov:skip=CKV2_AZURE_32:operators use it a few times a year, from where they are; no pod does
  name                       = var.name
  resource_group_name        = var.resource_group_name
  location                   = var.location
  tenant_id                  = var.tenant_id
  sku_name                   = "standard"
  rbac_authorization_enabled = true
  purge_protection_enabled   = true
  soft_delete_retention_days = 90
  tags                       = var.tags

  network_acls {
    default_action = "Deny"
    bypass         = "None"
    ip_rules       = var.allowed_ip_ranges
  }

  lifecycle {
    prevent_destroy = true
  }
}
