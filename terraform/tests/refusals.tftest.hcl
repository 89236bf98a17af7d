# What is refused before anything is made.

mock_provider "azurerm" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  name                     = "acme"
  location                 = "westeurope"
  administrator_object_ids = ["44444444-4444-4444-4444-444444444444"]
  alert_emails             = ["operators@example.org"]
}

run "a_name_with_capitals" {
  command = plan

  variables {
    name = "Acme"
  }

  expect_failures = [var.name]
}

run "a_name_too_long_for_a_storage_account" {
  command = plan

  variables {
    name = "abcdefghijklmnopq"
  }

  expect_failures = [var.name]
}

run "a_region_by_its_long_name" {
  command = plan

  variables {
    location = "West Europe"
  }

  expect_failures = [var.location]
}

run "an_unknown_variant" {
  command = plan

  variables {
    variant = "huge"
  }

  expect_failures = [var.variant]
}

run "no_administrators" {
  command = plan

  variables {
    administrator_object_ids = []
  }

  expect_failures = [var.administrator_object_ids]
}

run "an_administrator_by_mail_address" {
  command = plan

  variables {
    administrator_object_ids = ["somebody@example.org"]
  }

  expect_failures = [var.administrator_object_ids]
}

run "nobody_to_alert" {
  command = plan

  variables {
    alert_emails = []
  }

  expect_failures = [var.alert_emails]
}

run "an_alert_to_no_address" {
  command = plan

  variables {
    alert_emails = ["somebody"]
  }

  expect_failures = [var.alert_emails]
}

run "a_subscription_by_its_name" {
  command = plan

  variables {
    subscription_id = "Pay as you go"
  }

  expect_failures = [var.subscription_id]
}

run "any_repository_of_an_owner" {
  command = plan

  variables {
    deploy_subject = "repo:acme/*:ref:refs/heads/main"
  }

  expect_failures = [var.deploy_subject]
}

run "any_branch" {
  command = plan

  variables {
    deploy_subject = "repo:acme/videos:ref:refs/heads/*"
  }

  expect_failures = [var.deploy_subject]
}

run "another_branch" {
  command = plan

  variables {
    deploy_subject = "repo:acme/videos:ref:refs/heads/maintenance"
  }

  expect_failures = [var.deploy_subject]
}

run "a_tag" {
  command = plan

  variables {
    deploy_subject = "repo:acme/videos:ref:refs/tags/v1"
  }

  expect_failures = [var.deploy_subject]
}

run "a_pull_request_that_deploys" {
  command = plan

  variables {
    deploy_subject = "repo:acme/videos:pull_request"
  }

  expect_failures = [var.deploy_subject]
}

run "an_environment_that_deploys" {
  command = plan

  variables {
    deploy_subject = "repo:acme/videos:environment:production"
  }

  expect_failures = [var.deploy_subject]
}

run "a_subject_with_something_behind_it" {
  command = plan

  variables {
    deploy_subject = "repo:acme/videos:ref:refs/heads/main:and:more"
  }

  expect_failures = [var.deploy_subject]
}

run "a_pull_request_that_plans" {
  command = plan

  variables {
    plan_subject       = "repo:acme/videos:pull_request"
    state_container_id = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/st1/blobServices/default/containers/tfstate"
  }

  expect_failures = [var.plan_subject]
}

run "a_branch_that_plans" {
  command = plan

  variables {
    plan_subject       = "repo:acme/videos:ref:refs/heads/main"
    state_container_id = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/st1/blobServices/default/containers/tfstate"
  }

  expect_failures = [var.plan_subject]
}

run "any_environment" {
  command = plan

  variables {
    plan_subject       = "repo:acme/videos:environment:*"
    state_container_id = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/st1/blobServices/default/containers/tfstate"
  }

  expect_failures = [var.plan_subject]
}

run "a_plan_without_its_state" {
  command = plan

  variables {
    plan_subject = "repo:acme/videos:environment:plan"
  }

  expect_failures = [var.plan_subject]
}

run "a_state_container_by_its_name" {
  command = plan

  variables {
    state_container_id = "tfstate"
  }

  expect_failures = [var.state_container_id]
}

run "a_namespace_of_the_cluster" {
  command = plan

  variables {
    namespace = "kube-system"
  }

  expect_failures = [var.namespace]
}

run "the_default_namespace" {
  command = plan

  variables {
    namespace = "default"
  }

  expect_failures = [var.namespace]
}

run "a_patch_version" {
  command = plan

  variables {
    kubernetes_version = "1.33.2"
  }

  expect_failures = [var.kubernetes_version]
}

run "a_zone_twice" {
  command = plan

  variables {
    zones = ["1", "1"]
  }

  expect_failures = [var.zones]
}

run "a_zone_that_is_none" {
  command = plan

  variables {
    zones = ["westeurope-1"]
  }

  expect_failures = [var.zones]
}

run "a_size_without_its_prefix" {
  command = plan

  variables {
    system_vm_size = "D2as_v5"
  }

  expect_failures = [var.system_vm_size]
}

run "a_user_size_without_its_prefix" {
  command = plan

  variables {
    user_vm_size = "D4ads_v5"
  }

  expect_failures = [var.user_vm_size]
}

run "all_of_the_internet" {
  command = plan

  variables {
    api_server_ip_ranges = ["0.0.0.0/0"]
  }

  expect_failures = [var.api_server_ip_ranges]
}

run "an_api_server_network_that_is_none" {
  command = plan

  variables {
    api_server_ip_ranges = ["198.51.100.0"]
  }

  expect_failures = [var.api_server_ip_ranges]
}

run "private_operators" {
  command = plan

  variables {
    operator_ip_ranges = ["192.168.1.0/24"]
  }

  expect_failures = [var.operator_ip_ranges]
}

run "operators_everywhere" {
  command = plan

  variables {
    operator_ip_ranges = ["0.0.0.0/0"]
  }

  expect_failures = [var.operator_ip_ranges]
}

run "a_single_address_as_a_network" {
  command = plan

  variables {
    operator_ip_ranges = ["198.51.100.7/32"]
  }

  expect_failures = [var.operator_ip_ranges]
}

run "a_small_address_space" {
  command = plan

  variables {
    address_space = "10.64.0.0/24"
  }

  expect_failures = [var.address_space]
}

run "the_pods_address_space" {
  command = plan

  variables {
    address_space = "10.244.0.0/16"
  }

  expect_failures = [var.address_space]
}

run "a_budget_of_nothing" {
  command = plan

  variables {
    monthly_budgets = { nodes = 0 }
  }

  expect_failures = [var.monthly_budgets]
}

run "a_weak_password" {
  command = plan

  variables {
    managed_mongodb_password = "test"
  }

  expect_failures = [var.managed_mongodb_password]
}
