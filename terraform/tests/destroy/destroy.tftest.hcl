# Not among the tests that must pass: scripts/lib/terraform.sh runs it and wants its end to fail. When
# a test has ended Terraform destroys what the test has made, and here that must be refused.

mock_provider "azurerm" {
  source = "./tests/mocks"
}

override_resource {
  target = azurerm_resource_group.platform
  values = { id = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg-acme" }
}

override_resource {
  target = azurerm_resource_group.kept
  values = { id = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg-acme-kept" }
}

variables {
  name                     = "acme"
  location                 = "westeurope"
  variant                  = "production"
  managed_mongodb          = true
  managed_mongodb_password = "hunter2hunter2hunter2"
  administrator_object_ids = ["44444444-4444-4444-4444-444444444444"]
  alert_emails             = ["operators@example.org"]
  deploy_subject           = "repo:acme/videos:ref:refs/heads/main"
  plan_subject             = "repo:acme/videos:environment:plan"
  state_container_id       = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg-acme-state/providers/Microsoft.Storage/storageAccounts/stacmestate/blobServices/default/containers/tfstate"
}

run "everything_is_made" {
  command = apply
}
