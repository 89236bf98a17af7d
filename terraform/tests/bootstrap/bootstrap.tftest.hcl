# Not among the tests that run by themselves: scripts/lib/terraform.sh runs it with the file that
# scripts/bootstrap-state writes, which must be all that a first plan needs.

mock_provider "azurerm" {
  source          = "./tests/mocks"
  override_during = plan
}

run "what_bootstrap_state_writes_is_enough" {
  command = plan

  assert {
    condition     = output.resource_group == "rg-acme" && length(module.plan_identity) == 0
    error_message = "The written name must be taken."
  }
}

run "with_a_subject_ci_can_plan" {
  command = plan

  variables {
    plan_subject = "repo:acme@1/videos@2:environment:plan"
  }

  assert {
    condition     = endswith(azurerm_role_assignment.grant["plan_reads_state"].scope, "/resourceGroups/rg-acme-state")
    error_message = "CI must be let in where the state is."
  }
}
