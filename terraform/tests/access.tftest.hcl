# Who may do what, as a whole: one right too many fails as surely as one too few.

mock_provider "azurerm" {
  source          = "./tests/mocks"
  override_during = plan
}

override_resource {
  target          = azurerm_resource_group.platform
  override_during = plan
  values          = { id = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg-acme" }
}

override_resource {
  target          = azurerm_resource_group.kept
  override_during = plan
  values          = { id = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg-acme-kept" }
}

override_resource {
  target          = module.cluster.azurerm_user_assigned_identity.kubelet
  override_during = plan
  values = {
    id           = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg-acme/providers/Microsoft.ManagedIdentity/userAssignedIdentities/kubelet"
    principal_id = "aaaaaaaa-0000-0000-0000-00000000c0be"
    client_id    = "aaaaaaaa-0000-0000-0000-00000000c1be"
  }
}

override_resource {
  target          = module.video_storage_identity.azurerm_user_assigned_identity.this
  override_during = plan
  values = {
    id           = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg-acme/providers/Microsoft.ManagedIdentity/userAssignedIdentities/video-storage"
    principal_id = "bbbbbbbb-0000-0000-0000-00000000b10b"
    client_id    = "bbbbbbbb-0000-0000-0000-00000000b11b"
  }
}

override_resource {
  target          = module.deploy_identity[0].azurerm_user_assigned_identity.this
  override_during = plan
  values = {
    id           = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg-acme/providers/Microsoft.ManagedIdentity/userAssignedIdentities/deploy"
    principal_id = "cccccccc-0000-0000-0000-0000000de910"
    client_id    = "cccccccc-0000-0000-0000-0000000de911"
  }
}

override_resource {
  target          = module.plan_identity[0].azurerm_user_assigned_identity.this
  override_during = plan
  values = {
    id           = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg-acme/providers/Microsoft.ManagedIdentity/userAssignedIdentities/plan"
    principal_id = "dddddddd-0000-0000-0000-000000000914"
    client_id    = "dddddddd-0000-0000-0000-000000000915"
  }
}

variables {
  name                     = "acme"
  location                 = "westeurope"
  administrator_object_ids = ["44444444-4444-4444-4444-444444444444"]
  alert_emails             = ["operators@example.org"]
}

run "without_ci_nobody_outside_gets_a_right" {
  command = plan

  assert {
    condition = toset(keys(azurerm_role_assignment.grant)) == toset([
      "nodes_pull_images",
      "video_storage_writes_videos",
      "administrator_rules_cluster_44444444-4444-4444-4444-444444444444",
    ])
    error_message = "There must be three rights and no more: ${join(", ", keys(azurerm_role_assignment.grant))}"
  }
  assert {
    condition     = length(azurerm_role_assignment.custom_grant) == 0 && length(azurerm_role_definition.custom_resources) == 0 && length(azurerm_role_definition.refresh) == 0
    error_message = "Without CI there must be no roles of our own."
  }
  assert {
    condition     = length(module.deploy_identity) == 0 && length(module.plan_identity) == 0
    error_message = "Without subjects CI must have no identities."
  }
  assert {
    condition     = output.deploy_client_id == null && output.plan_client_id == null
    error_message = "The outputs of identities that are not there must be null."
  }
}

run "nodes_pull_and_do_not_push" {
  command = plan

  assert {
    condition = (
      azurerm_role_assignment.grant["nodes_pull_images"].role_definition_name == "AcrPull" &&
      azurerm_role_assignment.grant["nodes_pull_images"].principal_id == "aaaaaaaa-0000-0000-0000-00000000c0be" &&
      endswith(azurerm_role_assignment.grant["nodes_pull_images"].scope, "/registries/acracme")
    )
    error_message = "The kubelet's identity must have AcrPull at the registry."
  }
}

run "video_storage_alone_reaches_the_videos" {
  command = plan

  assert {
    condition = (
      azurerm_role_assignment.grant["video_storage_writes_videos"].role_definition_name == "Storage Blob Data Contributor" &&
      azurerm_role_assignment.grant["video_storage_writes_videos"].principal_id == "bbbbbbbb-0000-0000-0000-00000000b10b" &&
      endswith(azurerm_role_assignment.grant["video_storage_writes_videos"].scope, "/blobServices/default/containers/videos")
    )
    error_message = "The identity of video-storage must have its one container, and not the account."
  }
  assert {
    condition     = length([for g in values(azurerm_role_assignment.grant) : g if startswith(g.role_definition_name, "Storage")]) == 1
    error_message = "Only video-storage may touch blobs."
  }
  assert {
    condition     = module.video_storage_identity.trusts.subject == "system:serviceaccount:flixtube:video-storage"
    error_message = "The identity must stand for the one service account."
  }
  assert {
    condition     = module.video_storage_identity.trusts.issuer == "https://westeurope.oic.prod-aks.azure.com/11111111/33333333/"
    error_message = "Only this cluster's tokens may stand for it."
  }
  assert {
    condition     = module.video_storage_identity.trusts.audience == tolist(["api://AzureADTokenExchange"])
    error_message = "The audience must be Entra's exchange and nothing else."
  }
}

run "the_namespace_is_part_of_the_subject" {
  command = plan

  variables {
    namespace      = "videos"
    deploy_subject = "repo:acme/videos:ref:refs/heads/main"
  }

  assert {
    condition     = module.video_storage_identity.trusts.subject == "system:serviceaccount:videos:video-storage"
    error_message = "Another namespace has another service account."
  }
  assert {
    condition     = endswith(azurerm_role_assignment.grant["deploy_writes_in_namespace"].scope, "/managedClusters/aks-acme/namespaces/videos")
    error_message = "CI must write in that namespace."
  }
}

run "ci_on_main_pushes_and_writes_in_one_namespace" {
  command = plan

  variables {
    deploy_subject = "repo:acme@1234/videos@5678:ref:refs/heads/main"
  }

  assert {
    condition     = module.deploy_identity[0].trusts.subject == "repo:acme@1234/videos@5678:ref:refs/heads/main" && module.deploy_identity[0].trusts.issuer == "https://token.actions.githubusercontent.com"
    error_message = "The subject must be taken over to the letter, from GitHub's issuer."
  }
  assert {
    condition = {
      for name, g in azurerm_role_assignment.grant : name => "${g.role_definition_name} at ${reverse(split("/", g.scope))[0]}"
      if g.principal_id == "cccccccc-0000-0000-0000-0000000de910"
      } == {
      deploy_pushes_images       = "AcrPush at acracme"
      deploy_finds_cluster       = "Azure Kubernetes Service Cluster User Role at aks-acme"
      deploy_writes_in_namespace = "Azure Kubernetes Service RBAC Writer at flixtube"
    }
    error_message = "CI on main must push, find the cluster, and write in the namespace, and nothing else."
  }
  assert {
    condition = (
      keys(azurerm_role_assignment.custom_grant) == ["deploy_writes_custom_resources"] &&
      endswith(azurerm_role_assignment.custom_grant["deploy_writes_custom_resources"].scope, "/managedClusters/aks-acme/namespaces/flixtube")
    )
    error_message = "Custom resources must be written in the namespace only."
  }
  assert {
    condition     = azurerm_role_definition.custom_resources[0].permissions[0].actions == null || length(azurerm_role_definition.custom_resources[0].permissions[0].actions) == 0
    error_message = "The role must not touch Azure itself."
  }
  assert {
    condition     = alltrue([for a in azurerm_role_definition.custom_resources[0].permissions[0].data_actions : startswith(a, "Microsoft.ContainerService/managedClusters/customresources/")])
    error_message = "The role must hold custom resources and nothing else."
  }
  assert {
    condition     = output.deploy_client_id == "cccccccc-0000-0000-0000-0000000de911"
    error_message = "deploy_client_id must be that identity's."
  }
}

run "ci_that_plans_only_reads" {
  command = plan

  variables {
    plan_subject       = "repo:acme/videos:environment:plan"
    state_container_id = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg-acme-state/providers/Microsoft.Storage/storageAccounts/stacmestate/blobServices/default/containers/tfstate"
  }

  assert {
    condition     = module.plan_identity[0].trusts.subject == "repo:acme/videos:environment:plan"
    error_message = "The subject must be taken over to the letter."
  }
  assert {
    condition = {
      for name, g in azurerm_role_assignment.grant : name => "${g.role_definition_name} at ${reverse(split("/", g.scope))[0]}"
      if g.principal_id == "dddddddd-0000-0000-0000-000000000914"
      } == {
      plan_reads_platform     = "Reader at rg-acme"
      plan_reads_kept         = "Reader at rg-acme-kept"
      plan_reads_nodes        = "Reader at rg-acme-nodes"
      plan_reads_state        = "Storage Blob Data Reader at rg-acme-state"
      plan_reads_state_grants = "Reader at rg-acme-state"
    }
    error_message = "CI that plans must read, and nothing else."
  }
  assert {
    condition     = toset(keys(azurerm_role_assignment.custom_grant)) == toset(["plan_refreshes_platform", "plan_refreshes_kept"])
    error_message = "A refresh needs its two lists in both groups."
  }
  assert {
    condition     = alltrue([for a in azurerm_role_definition.refresh[0].permissions[0].actions : can(regex("/list[A-Za-z]+/action$", a))]) && !strcontains(join(" ", azurerm_role_definition.refresh[0].permissions[0].actions), "Admin")
    error_message = "The role must list, never write, and never list the cluster's administrator."
  }
  assert {
    condition     = alltrue([for g in values(azurerm_role_assignment.grant) : !strcontains(g.role_definition_name, "Owner") && g.role_definition_name != "Contributor"])
    error_message = "Nobody may own or change everything."
  }
}

run "administrators_keep_the_vault_in_production" {
  command = plan

  variables {
    variant = "production"
  }

  assert {
    condition     = azurerm_role_assignment.grant["administrator_keeps_secrets_44444444-4444-4444-4444-444444444444"].role_definition_name == "Key Vault Secrets Officer"
    error_message = "Administrators must be able to put secrets into the vault."
  }
  assert {
    condition     = azurerm_role_assignment.grant["administrator_rules_cluster_44444444-4444-4444-4444-444444444444"].role_definition_name == "Azure Kubernetes Service RBAC Cluster Admin"
    error_message = "Administrators must be able to enter the cluster."
  }
}
