# What scripts and CI ask for. Nothing here is secret.

locals {
  # What a deployment must know. The cluster carries the same as tags (flixtube-…), so that CI needs
  # three variables only: with these it signs in, and the cluster that it may see tells the rest.
  deploy_facts = merge(
    {
      namespace               = var.namespace
      registry                = module.registry.login_server
      storage-account         = module.storage.account_name
      storage-container       = module.storage.container_name
      video-storage-client-id = module.video_storage_identity.client_id
      public-host             = module.network.public_host
      public-ip-name          = module.network.public_ip_name
      kept-resource-group     = azurerm_resource_group.kept.name
    },
    {
      for fact, value in {
        mongodb-host            = one(module.database[*].host)
        mongodb-endpoint-prefix = module.network.endpoints_subnet_prefix
      } : fact => value if var.managed_mongodb
    },
  )
}

output "tenant_id" {
  description = "AZURE_TENANT_ID of CI."
  value       = data.azurerm_client_config.current.tenant_id
}

output "subscription_id" {
  description = "AZURE_SUBSCRIPTION_ID of CI."
  value       = data.azurerm_client_config.current.subscription_id
}

output "deploy_client_id" {
  description = "AZURE_CLIENT_ID of CI on main. Null without deploy_subject."
  value       = one(module.deploy_identity[*].client_id)
}

output "plan_client_id" {
  description = "AZURE_CLIENT_ID of CI in the protected environment. Null without plan_subject."
  value       = one(module.plan_identity[*].client_id)
}

output "resource_group" {
  description = "The resource group of the cluster and the registry."
  value       = azurerm_resource_group.platform.name
}

output "kept_resource_group" {
  description = "The resource group of what outlives the cluster."
  value       = azurerm_resource_group.kept.name
}

output "cluster_name" {
  description = "The AKS cluster: az aks get-credentials --resource-group … --name …"
  value       = module.cluster.name
}

output "registry_name" {
  description = "The registry: az acr login --name …"
  value       = module.registry.name
}

output "registry_login_server" {
  description = "The registry's host name, the first part of every image's name."
  value       = module.registry.login_server
}

output "storage_account_name" {
  description = "The storage account of the videos."
  value       = module.storage.account_name
}

output "storage_container_name" {
  description = "The container of the videos."
  value       = module.storage.container_name
}

output "namespace" {
  description = "The namespace of FlixTube."
  value       = var.namespace
}

output "video_storage_client_id" {
  description = "For the service account video-storage: azure.workload.identity/client-id."
  value       = module.video_storage_identity.client_id
}

output "public_host" {
  description = "A host name that leads to public_ip_address. Take it, or let a name of your own point to it."
  value       = module.network.public_host
}

output "public_ip_address" {
  description = "The address at which viewers come in; it stays when the cluster is made anew."
  value       = module.network.public_ip_address
}

output "public_ip_name" {
  description = "For the Service of the ingress: service.beta.kubernetes.io/azure-pip-name, with kept_resource_group as azure-load-balancer-resource-group."
  value       = module.network.public_ip_name
}

output "nodes_subnet_prefix" {
  description = "The addresses of the nodes, for network policies."
  value       = module.network.nodes_subnet_prefix
}

output "vault_name" {
  description = "The vault for copies of the cluster's secrets. Null in the cheap variant."
  value       = one(module.vault[*].name)
}

output "mongodb_host" {
  description = "The managed MongoDB's name: mongodb+srv://USER:PASSWORD@HOST/… Null without managed_mongodb."
  value       = one(module.database[*].host)
}

output "mongodb_endpoint_prefix" {
  description = "The addresses of the managed MongoDB's private endpoint, for network policies. Null without managed_mongodb."
  value       = var.managed_mongodb ? module.network.endpoints_subnet_prefix : null
}

output "deploy_facts" {
  description = "What a deployment must know, in one map; the cluster carries it as tags too."
  value       = local.deploy_facts
}
