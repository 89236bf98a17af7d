# Two resource groups, because two things end at different times. What is in `kept` outlives the
# cluster: the videos, the database, the network and the public address. What is in `platform` can be
# made again from this folder and the images' sources. README.md says what a destroy does to each.

locals {
  tags = merge(var.tags, { application = "flixtube", installation = var.name })
}

resource "azurerm_resource_group" "kept" {
  name     = "rg-${var.name}-kept"
  location = var.location
  tags     = local.tags

  lifecycle {
    prevent_destroy = true
  }
}

resource "azurerm_resource_group" "platform" {
  name     = "rg-${var.name}"
  location = var.location
  tags     = local.tags
}

# ---- Kept

module "network" {
  source = "./modules/network"

  name                = var.name
  resource_group_name = azurerm_resource_group.kept.name
  location            = azurerm_resource_group.kept.location
  address_space       = var.address_space
  zones               = local.variant.zones
  tags                = local.tags
}

module "storage" {
  source = "./modules/storage"

  name                = "st${var.name}"
  resource_group_name = azurerm_resource_group.kept.name
  location            = azurerm_resource_group.kept.location
  replication         = local.variant.storage_replication
  deleted_kept_days   = local.variant.deleted_kept_days
  old_version_days    = local.variant.old_version_days
  allowed_subnet_id   = module.network.nodes_subnet_id
  allowed_ip_ranges   = var.operator_ip_ranges
  tags                = local.tags
}

module "vault" {
  source = "./modules/vault"
  count  = local.variant.vault ? 1 : 0

  name                = "kv-${var.name}"
  resource_group_name = azurerm_resource_group.kept.name
  location            = azurerm_resource_group.kept.location
  tenant_id           = data.azurerm_client_config.current.tenant_id
  allowed_ip_ranges   = var.operator_ip_ranges
  tags                = local.tags
}

module "database" {
  source = "./modules/database"
  count  = var.managed_mongodb ? 1 : 0

  name                   = "mongo-${var.name}"
  resource_group_name    = azurerm_resource_group.kept.name
  location               = azurerm_resource_group.kept.location
  compute_tier           = local.variant.mongodb_tier
  zone_redundant         = local.variant.mongodb_zones
  storage_size_gb        = local.variant.mongodb_storage_gb
  administrator_password = var.managed_mongodb_password
  virtual_network_id     = module.network.id
  subnet_id              = module.network.endpoints_subnet_id
  tags                   = local.tags
}

# ---- Platform

module "registry" {
  source = "./modules/registry"

  name                = "acr${var.name}"
  resource_group_name = azurerm_resource_group.platform.name
  location            = azurerm_resource_group.platform.location
  sku                 = local.variant.registry_sku
  tags                = local.tags
}

module "cluster" {
  source = "./modules/cluster"

  name                   = "aks-${var.name}"
  resource_group_name    = azurerm_resource_group.platform.name
  node_resource_group    = "rg-${var.name}-nodes"
  location               = azurerm_resource_group.platform.location
  tenant_id              = data.azurerm_client_config.current.tenant_id
  kubernetes_version     = var.kubernetes_version
  sku_tier               = local.variant.sku_tier
  zones                  = local.variant.zones
  system_pool            = local.variant.system_pool
  user_pool              = local.variant.user_pool
  network_resource_group = azurerm_resource_group.kept.id
  subnet_id              = module.network.nodes_subnet_id
  public_ip_id           = module.network.public_ip_id
  authorized_ip_ranges   = var.api_server_ip_ranges
  logs                   = local.variant.monitoring ? { workspace_id = module.monitoring[0].workspace_id } : null
  tags                   = merge(local.tags, { for fact, value in local.deploy_facts : "flixtube-${fact}" => value })
}

module "monitoring" {
  source = "./modules/monitoring"
  count  = local.variant.monitoring ? 1 : 0

  name                = var.name
  resource_group_name = azurerm_resource_group.platform.name
  resource_group_id   = azurerm_resource_group.platform.id
  location            = azurerm_resource_group.platform.location
  emails              = var.alert_emails
  cluster_id          = module.cluster.id
  storage_account_id  = module.storage.account_id
  vault_id            = one(module.vault[*].id)
  tags                = local.tags
}

module "budget" {
  source = "./modules/budget"
  for_each = {
    nodes    = module.cluster.node_resource_group_id
    platform = azurerm_resource_group.platform.id
    kept     = azurerm_resource_group.kept.id
  }

  name              = "${var.name}-${each.key}"
  resource_group_id = each.value
  amount            = coalesce(var.monthly_budgets[each.key], local.variant.monthly_budget[each.key])
  emails            = var.alert_emails
}

data "azurerm_client_config" "current" {}
