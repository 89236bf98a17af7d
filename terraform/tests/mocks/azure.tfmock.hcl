# What Azure would answer: ids of the right form, since the provider takes them apart.

mock_data "azurerm_client_config" {
  defaults = {
    tenant_id       = "11111111-1111-1111-1111-111111111111"
    subscription_id = "22222222-2222-2222-2222-222222222222"
  }
}

mock_resource "azurerm_kubernetes_cluster" {
  defaults = {
    id                     = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg-acme/providers/Microsoft.ContainerService/managedClusters/aks-acme"
    node_resource_group_id = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg-acme-nodes"
    oidc_issuer_url        = "https://westeurope.oic.prod-aks.azure.com/11111111/33333333/"
  }
}

mock_resource "azurerm_container_registry" {
  defaults = {
    id           = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg-acme/providers/Microsoft.ContainerRegistry/registries/acracme"
    login_server = "acracme.azurecr.io"
  }
}

mock_resource "azurerm_storage_account" {
  defaults = {
    id = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg-acme-kept/providers/Microsoft.Storage/storageAccounts/stacme"
  }
}

mock_resource "azurerm_storage_container" {
  defaults = {
    id = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg-acme-kept/providers/Microsoft.Storage/storageAccounts/stacme/blobServices/default/containers/videos"
  }
}

mock_resource "azurerm_virtual_network" {
  defaults = {
    id = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg-acme-kept/providers/Microsoft.Network/virtualNetworks/vnet-acme"
  }
}

mock_resource "azurerm_subnet" {
  defaults = {
    id = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg-acme-kept/providers/Microsoft.Network/virtualNetworks/vnet-acme/subnets/nodes"
  }
}

mock_resource "azurerm_network_security_group" {
  defaults = {
    id = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg-acme-kept/providers/Microsoft.Network/networkSecurityGroups/nsg-acme"
  }
}

mock_resource "azurerm_public_ip" {
  defaults = {
    id         = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg-acme-kept/providers/Microsoft.Network/publicIPAddresses/pip-acme"
    ip_address = "198.51.100.7"
    fqdn       = "acme.westeurope.cloudapp.azure.com"
  }
}

mock_resource "azurerm_user_assigned_identity" {
  defaults = {
    id           = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg-acme/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-acme"
    principal_id = "99999999-9999-9999-9999-999999999999"
    client_id    = "88888888-8888-8888-8888-888888888888"
  }
}

mock_resource "azurerm_role_definition" {
  defaults = {
    id                          = "/subscriptions/22222222-2222-2222-2222-222222222222/providers/Microsoft.Authorization/roleDefinitions/77777777-7777-7777-7777-777777777777|/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg-acme"
    role_definition_resource_id = "/subscriptions/22222222-2222-2222-2222-222222222222/providers/Microsoft.Authorization/roleDefinitions/77777777-7777-7777-7777-777777777777"
  }
}

mock_resource "azurerm_key_vault" {
  defaults = {
    id = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg-acme-kept/providers/Microsoft.KeyVault/vaults/kv-acme"
  }
}

mock_resource "azurerm_mongo_cluster" {
  defaults = {
    id = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg-acme-kept/providers/Microsoft.DocumentDB/mongoClusters/mongo-acme"
    connection_strings = [{
      name        = "Default"
      description = "as Azure answers it"
      value       = "mongodb+srv://flixtubeadmin:hunter2hunter2hunter2@mongo-acme.global.mongocluster.cosmos.azure.com/?tls=true&authMechanism=SCRAM-SHA-256"
    }]
  }
}

mock_resource "azurerm_private_dns_zone" {
  defaults = {
    id = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg-acme-kept/providers/Microsoft.Network/privateDnsZones/privatelink.mongocluster.cosmos.azure.com"
  }
}

mock_resource "azurerm_log_analytics_workspace" {
  defaults = {
    id = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg-acme/providers/Microsoft.OperationalInsights/workspaces/log-acme"
  }
}

mock_resource "azurerm_monitor_data_collection_rule" {
  defaults = {
    id = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg-acme/providers/Microsoft.Insights/dataCollectionRules/dcr-acme"
  }
}

mock_resource "azurerm_monitor_action_group" {
  defaults = {
    id = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg-acme/providers/Microsoft.Insights/actionGroups/ag-acme"
  }
}
