# The private registry of the images. Who may pull and push is in the root's access.tf.

resource "azurerm_container_registry" "this" {
  #checkov:skip=CKV_AZURE_139:hosted CI runners push from addresses that nobody knows; Entra ID decides who may
  #checkov:skip=CKV_AZURE_163:images are scanned by CI before they are pushed, and Defender is the subscription's decision
  #checkov:skip=CKV_AZURE_164:the service has retired content trust; images are signed with cosign and deployed by digest
  #checkov:skip=CKV_AZURE_165:a registry in a second region is of use only to a cluster in a second region
  #checkov:skip=CKV_AZURE_166:quarantine needs Premium; CI scans before it pushes, and deploys what it pushed by digest
  #checkov:skip=CKV_AZURE_167:an untagged manifest may be what runs, since digests are deployed; README.md says how old ones are removed
  #checkov:skip=CKV_AZURE_233:needs Premium; nodes keep the images that they run, and a registry's outage stops deployments only
  #checkov:skip=CKV_AZURE_237:dedicated data endpoints need Premium, and are for networks that filter what goes out
  name                   = var.name
  resource_group_name    = var.resource_group_name
  location               = var.location
  sku                    = var.sku
  admin_enabled          = false
  anonymous_pull_enabled = false
  tags                   = var.tags
}
