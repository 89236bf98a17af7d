# Who is who, and every right that anybody gets here. The only others are the two that the cluster's
# own identity needs before there can be a cluster; modules/cluster grants them.

locals {
  github_issuer = "https://token.actions.githubusercontent.com"
}

module "video_storage_identity" {
  source = "./modules/identity"

  name                = "id-${var.name}-video-storage"
  resource_group_name = azurerm_resource_group.platform.name
  location            = azurerm_resource_group.platform.location
  credential = {
    name    = "cluster"
    issuer  = module.cluster.oidc_issuer_url
    subject = "system:serviceaccount:${var.namespace}:video-storage"
  }
  tags = local.tags
}

module "deploy_identity" {
  source = "./modules/identity"
  count  = var.deploy_subject == null ? 0 : 1

  name                = "id-${var.name}-ci-deploy"
  resource_group_name = azurerm_resource_group.platform.name
  location            = azurerm_resource_group.platform.location
  credential          = { name = "github-main", issuer = local.github_issuer, subject = var.deploy_subject }
  tags                = local.tags
}

module "plan_identity" {
  source = "./modules/identity"
  count  = var.plan_subject == null ? 0 : 1

  name                = "id-${var.name}-ci-plan"
  resource_group_name = azurerm_resource_group.platform.name
  location            = azurerm_resource_group.platform.location
  credential          = { name = "github-environment", issuer = local.github_issuer, subject = var.plan_subject }
  tags                = local.tags
}

# Azure's role "RBAC Writer" knows Kubernetes' own kinds only. FlixTube also has scaled objects,
# service monitors, routes and certificates.
resource "azurerm_role_definition" "custom_resources" {
  count = var.deploy_subject == null ? 0 : 1

  name        = "FlixTube ${var.name}: custom resources"
  description = "Reads and writes the custom resources of one namespace. Assigned at the namespace, never at the cluster."
  scope       = azurerm_resource_group.platform.id

  permissions {
    actions = []
    data_actions = [
      "Microsoft.ContainerService/managedClusters/customresources/read",
      "Microsoft.ContainerService/managedClusters/customresources/write",
      "Microsoft.ContainerService/managedClusters/customresources/delete",
    ]
  }

  assignable_scopes = [azurerm_resource_group.platform.id]
}

# The two things that a refresh asks for and "Reader" may not: the cluster's kubeconfig, which lets
# nobody in by itself, and the database's connection strings, in which Azure leaves the password out.
resource "azurerm_role_definition" "refresh" {
  count = var.plan_subject == null ? 0 : 1

  name        = "FlixTube ${var.name}: refresh"
  description = "What a terraform plan reads beside what Reader may read."
  scope       = azurerm_resource_group.platform.id

  permissions {
    actions = [
      "Microsoft.ContainerService/managedClusters/listClusterUserCredential/action",
      "Microsoft.DocumentDB/mongoClusters/listConnectionStrings/action",
    ]
  }

  assignable_scopes = [azurerm_resource_group.platform.id, azurerm_resource_group.kept.id]
}

locals {
  namespace_scope = "${module.cluster.id}/namespaces/${var.namespace}"

  grants = merge(
    {
      nodes_pull_images = {
        principal = module.cluster.kubelet_principal_id
        role      = "AcrPull"
        scope     = module.registry.id
      }
      video_storage_writes_videos = {
        principal = module.video_storage_identity.principal_id
        role      = "Storage Blob Data Contributor"
        scope     = module.storage.container_id
      }
    },
    {
      for id in var.administrator_object_ids : "administrator_rules_cluster_${id}" => {
        principal = id
        role      = "Azure Kubernetes Service RBAC Cluster Admin"
        scope     = module.cluster.id
      }
    },
    {
      for id in var.administrator_object_ids : "administrator_keeps_secrets_${id}" => {
        principal = id
        role      = "Key Vault Secrets Officer"
        scope     = module.vault[0].id
      } if local.variant.vault
    },
    {
      for grant, it in {
        deploy_pushes_images = {
          role  = "AcrPush"
          scope = module.registry.id
        }
        # The kubeconfig, and the cluster's tags. It lets nobody into the cluster.
        deploy_finds_cluster = {
          role  = "Azure Kubernetes Service Cluster User Role"
          scope = module.cluster.id
        }
        deploy_writes_in_namespace = {
          role  = "Azure Kubernetes Service RBAC Writer"
          scope = local.namespace_scope
        }
      } : grant => merge(it, { principal = module.deploy_identity[0].principal_id }) if var.deploy_subject != null
    },
    {
      for grant, it in {
        plan_reads_platform = { role = "Reader", scope = azurerm_resource_group.platform.id }
        plan_reads_kept     = { role = "Reader", scope = azurerm_resource_group.kept.id }
        plan_reads_nodes    = { role = "Reader", scope = module.cluster.node_resource_group_id }
        # At the group, which holds the state and nothing else: below the account's lock no grant could be
        # taken away again, and a destroy would stop half-way.
        plan_reads_state = { role = "Storage Blob Data Reader", scope = local.state_group_id }
        # To see these last two grants, which lie outside of our resource groups.
        plan_reads_state_grants = { role = "Reader", scope = local.state_group_id }
      } : grant => merge(it, { principal = module.plan_identity[0].principal_id }) if var.plan_subject != null
    },
  )

  state_group_id = try(regex("^/subscriptions/[^/]+/resourceGroups/[^/]+", var.state_container_id), null)

  # Those of the two roles above, which have ids and not well-known names.
  custom_grants = merge(
    {
      for grant in ["deploy_writes_custom_resources"] : grant => {
        principal = module.deploy_identity[0].principal_id
        role_id   = azurerm_role_definition.custom_resources[0].role_definition_resource_id
        scope     = local.namespace_scope
      } if var.deploy_subject != null
    },
    {
      for grant, scope in {
        plan_refreshes_platform = azurerm_resource_group.platform.id
        plan_refreshes_kept     = azurerm_resource_group.kept.id
        } : grant => {
        principal = module.plan_identity[0].principal_id
        role_id   = azurerm_role_definition.refresh[0].role_definition_resource_id
        scope     = scope
      } if var.plan_subject != null
    },
  )
}

resource "azurerm_role_assignment" "grant" {
  for_each = local.grants

  scope                = each.value.scope
  role_definition_name = each.value.role
  principal_id         = each.value.principal
  # A new identity is not known everywhere at once; with its type said, Azure does not look for it. An
  # administrator may be a person or a group, and has long been there.
  principal_type = startswith(each.key, "administrator_") ? null : "ServicePrincipal"
}

resource "azurerm_role_assignment" "custom_grant" {
  for_each = local.custom_grants

  scope              = each.value.scope
  role_definition_id = each.value.role_id
  principal_id       = each.value.principal
  principal_type     = "ServicePrincipal"
}
