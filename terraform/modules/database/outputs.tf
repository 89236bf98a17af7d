output "host" {
  # The connection string holds the password; its host does not.
  value = nonsensitive(regex("@([^/?]+)", azurerm_mongo_cluster.this.connection_strings[0].value)[0])
}
