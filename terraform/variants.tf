# Every difference between the two variants, in one place.

locals {
  variants = {
    # For trying it out: all that works, with nothing that is there for the case that something fails.
    cheap = {
      zones    = []
      sku_tier = "Free"
      system_pool = {
        vm_size         = coalesce(var.system_vm_size, "Standard_D2as_v5")
        min_count       = 1
        max_count       = 3
        addons_only     = false # FlixTube runs here too
        os_disk_type    = "Managed"
        os_disk_size_gb = 32
        host_encryption = false
      }
      user_pool           = null
      registry_sku        = "Basic"
      storage_replication = "LRS"
      deleted_kept_days   = 7
      old_version_days    = 7
      vault               = false
      monitoring          = false
      mongodb_tier        = "M10"
      mongodb_zones       = false
      mongodb_storage_gb  = 32
      monthly_budget      = { nodes = 250, platform = 20, kept = 50 }
    }

    # For viewers who notice: survives the loss of a zone, and says when something is wrong.
    production = {
      zones    = var.zones
      sku_tier = "Standard"
      system_pool = {
        vm_size         = coalesce(var.system_vm_size, "Standard_D2ads_v5")
        min_count       = 3
        max_count       = 5
        addons_only     = true
        os_disk_type    = "Ephemeral"
        os_disk_size_gb = 64
        host_encryption = true
      }
      # For each zone, since a pod with a volume must find a node in its volume's zone.
      user_pool = {
        vm_size         = coalesce(var.user_vm_size, "Standard_D4ads_v5")
        min_count       = 1
        max_count       = 4
        os_disk_type    = "Ephemeral"
        os_disk_size_gb = 128
        host_encryption = true
      }
      registry_sku        = "Standard"
      storage_replication = length(var.zones) == 0 ? "LRS" : "ZRS"
      deleted_kept_days   = 30
      old_version_days    = 30
      vault               = true
      monitoring          = true
      mongodb_tier        = "M30"
      mongodb_zones       = length(var.zones) > 0
      mongodb_storage_gb  = 64
      monthly_budget      = { nodes = 1500, platform = 200, kept = 500 }
    }
  }

  variant = local.variants[var.variant]
}
