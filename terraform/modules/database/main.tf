# A managed MongoDB, reached by a private endpoint only. Azure backs it up by itself and keeps the
# copies for 35 days.

resource "azurerm_mongo_cluster" "this" {
  name                   = var.name
  resource_group_name    = var.resource_group_name
  location               = var.location
  version                = "8.0"
  compute_tier           = var.compute_tier
  storage_size_in_gb     = var.storage_size_gb
  shard_count            = 1
  high_availability_mode = var.zone_redundant ? "ZoneRedundantPreferred" : "Disabled"
  public_network_access  = "Disabled"
  # The provider wants both or neither; who has no password has the cluster already.
  administrator_username = nonsensitive(var.administrator_password == null) ? null : "flixtubeadmin"
  administrator_password = var.administrator_password
  tags                   = var.tags

  lifecycle {
    prevent_destroy = true
    # The password is changed at the service and not here: otherwise everybody who plans would have to
    # know it. It could also be restored from a backup by hand.
    ignore_changes = [administrator_username, administrator_password, create_mode, source_server_id, restore]
  }
}

resource "azurerm_private_dns_zone" "this" {
  name                = "privatelink.mongocluster.cosmos.azure.com"
  resource_group_name = var.resource_group_name
  tags                = var.tags
}

resource "azurerm_private_dns_zone_virtual_network_link" "this" {
  name                = var.name
  private_dns_zone_id = azurerm_private_dns_zone.this.id
  virtual_network_id  = var.virtual_network_id
  tags                = var.tags
}

resource "azurerm_private_endpoint" "this" {
  name                = "pe-${var.name}"
  resource_group_name = var.resource_group_name
  location            = var.location
  subnet_id           = var.subnet_id
  tags                = var.tags

  private_service_connection {
    name                           = var.name
    private_connection_resource_id = azurerm_mongo_cluster.this.id
    subresource_names              = ["MongoCluster"]
    is_manual_connection           = false
  }

  private_dns_zone_group {
    name                 = "default"
    private_dns_zone_ids = [azurerm_private_dns_zone.this.id]
  }
}
