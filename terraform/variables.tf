# ---- What everybody sets

variable "name" {
  description = "Short name of this installation; part of every resource's name. Some of these (registry, storage account, host name) must be unique in all of Azure, so \"flixtube\" alone will be taken."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{2,15}$", var.name))
    error_message = "name must be 3 to 16 lower-case letters and digits, and begin with a letter."
  }
}

variable "location" {
  description = "Azure region by its short name, such as westeurope (az account list-locations -o table)."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{4,}[0-9]?$", var.location))
    error_message = "location must be a region's short name, such as westeurope or eastus2: no spaces, no capitals."
  }
}

variable "variant" {
  description = "cheap: one small pool in no particular zone, for trying it out. production: three zones, an uptime SLA, logs and alerts. variants.tf has every difference."
  type        = string
  default     = "cheap"

  validation {
    condition     = contains(["cheap", "production"], var.variant)
    error_message = "variant must be cheap or production."
  }
}

variable "administrator_object_ids" {
  description = "Object ids in Entra ID of the people or groups that administer the cluster (az ad signed-in-user show --query id). Local accounts are off: nobody else can enter."
  type        = set(string)

  validation {
    condition     = length(var.administrator_object_ids) > 0
    error_message = "administrator_object_ids must name at least one person or group: with none, nobody could enter the cluster."
  }
  validation {
    condition     = alltrue([for id in var.administrator_object_ids : can(regex("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", id))])
    error_message = "administrator_object_ids must be object ids: UUIDs in lower case."
  }
}

variable "alert_emails" {
  description = "Who is told when a budget is used up or, in production, an alert fires."
  type        = set(string)

  validation {
    condition     = length(var.alert_emails) > 0 && alltrue([for e in var.alert_emails : can(regex("^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$", e))])
    error_message = "alert_emails must hold at least one e-mail address: a budget that tells nobody is none."
  }
}

variable "subscription_id" {
  description = "The subscription that everything is made in. Null: ARM_SUBSCRIPTION_ID in the environment."
  type        = string
  default     = null

  validation {
    condition     = var.subscription_id == null || can(regex("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", var.subscription_id))
    error_message = "subscription_id must be a UUID in lower case."
  }
}

# ---- CI

variable "deploy_subject" {
  description = "The exact subject of the OIDC token with which CI pushes images and writes in the namespace: GitHub's for a push to main. Null: no such identity."
  type        = string
  default     = null

  validation {
    condition     = var.deploy_subject == null || can(regex("^repo:[A-Za-z0-9_.-]+(@[0-9]+)?/[A-Za-z0-9_.-]+(@[0-9]+)?:ref:refs/heads/main$", var.deploy_subject))
    error_message = "deploy_subject must be one repository's main branch, without wildcards: repo:OWNER/NAME:ref:refs/heads/main, or repo:OWNER@ID/NAME@ID:ref:refs/heads/main."
  }
}

variable "plan_subject" {
  description = "The exact subject of the OIDC token with which CI reads and plans: GitHub's for a protected environment, since a plan reads the state. Null: no such identity."
  type        = string
  default     = null

  validation {
    condition     = var.plan_subject == null || can(regex("^repo:[A-Za-z0-9_.-]+(@[0-9]+)?/[A-Za-z0-9_.-]+(@[0-9]+)?:environment:[A-Za-z0-9_.-]+$", var.plan_subject))
    error_message = "plan_subject must be one environment of one repository, without wildcards: repo:OWNER/NAME:environment:ENVIRONMENT, or repo:OWNER@ID/NAME@ID:environment:ENVIRONMENT."
  }
  validation {
    condition     = var.plan_subject == null || var.state_container_id != null
    error_message = "plan_subject needs state_container_id: who plans must read the state."
  }
}

variable "state_container_id" {
  description = "Resource id of the container that holds the state, which scripts/bootstrap-state prints. Only the identity that plans needs it."
  type        = string
  default     = null

  validation {
    condition     = var.state_container_id == null || can(regex("^/subscriptions/[0-9a-f-]{36}/resourceGroups/[^/]+/providers/Microsoft\\.Storage/storageAccounts/[a-z0-9]{3,24}/blobServices/default/containers/[a-z0-9-]{3,63}$", var.state_container_id))
    error_message = "state_container_id must be a container's resource id: /subscriptions/…/storageAccounts/…/blobServices/default/containers/…"
  }
}

# ---- What most leave as it is

variable "namespace" {
  description = "The Kubernetes namespace of FlixTube: the only one that CI may write in, and where the service account of video-storage is."
  type        = string
  default     = "flixtube"

  validation {
    condition     = can(regex("^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$", var.namespace)) && !startswith(var.namespace, "kube-") && !contains(["default", "gatekeeper-system"], var.namespace)
    error_message = "namespace must be a DNS label, and not one of the cluster's own."
  }
}

variable "kubernetes_version" {
  description = "Minor version such as 1.33, raised by hand. Null: what AKS recommends when the cluster is made. Patches come by themselves either way."
  type        = string
  default     = null

  validation {
    condition     = var.kubernetes_version == null || can(regex("^1\\.[0-9]{2}$", var.kubernetes_version))
    error_message = "kubernetes_version must be a minor version such as 1.33; patches are applied by the upgrade channel."
  }
}

variable "zones" {
  description = "The zones of the production variant. Fewer where the region has fewer; an empty list where it has none."
  type        = list(string)
  default     = ["1", "2", "3"]

  validation {
    condition     = alltrue([for z in var.zones : contains(["1", "2", "3"], z)]) && length(distinct(var.zones)) == length(var.zones)
    error_message = "zones must be some of \"1\", \"2\" and \"3\", each once."
  }
}

variable "system_vm_size" {
  description = "Size of the system pool's nodes, where the variant's own is not to be had in the region or the quota."
  type        = string
  default     = null

  validation {
    condition     = var.system_vm_size == null || can(regex("^Standard_[A-Za-z0-9_]+$", var.system_vm_size))
    error_message = "system_vm_size must be an Azure size such as Standard_D2as_v5."
  }
}

variable "user_vm_size" {
  description = "Size of the nodes that FlixTube runs on in production. Their local disk holds the system, so it needs one of 128 GiB or more."
  type        = string
  default     = null

  validation {
    condition     = var.user_vm_size == null || can(regex("^Standard_[A-Za-z0-9_]+$", var.user_vm_size))
    error_message = "user_vm_size must be an Azure size such as Standard_D4ads_v5."
  }
}

variable "api_server_ip_ranges" {
  description = "The only networks from which the cluster's API is reached. Empty: from anywhere, and Entra ID alone stands before it. CI's runners must be in them, which GitHub's own cannot be."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for r in var.api_server_ip_ranges : can(cidrhost(r, 0)) && !endswith(r, "/0")])
    error_message = "api_server_ip_ranges must be networks such as 198.51.100.0/24; leave it empty rather than allow all."
  }
}

variable "operator_ip_ranges" {
  description = "Networks, beside the cluster's nodes, from which the videos' storage account and the vault are reached: those of who makes backups. Public IPv4 addresses, or networks of /30 and larger."
  type        = set(string)
  default     = []

  validation {
    condition = alltrue([
      for r in var.operator_ip_ranges :
      can(cidrhost(strcontains(r, "/") ? r : "${r}/32", 0)) &&
      can(regex("^[0-9.]+(/([89]|[12][0-9]|30))?$", r)) &&
      !can(regex("^(10\\.|127\\.|192\\.168\\.|169\\.254\\.|172\\.(1[6-9]|2[0-9]|3[01])\\.)", r))
    ])
    error_message = "operator_ip_ranges must be public IPv4 addresses or networks from /8 to /30, which is what a storage account's firewall takes."
  }
}

variable "address_space" {
  description = "The virtual network's addresses, a /16. Pods and services have their own: 10.244.0.0/16 and 10.96.0.0/16."
  type        = string
  default     = "10.64.0.0/16"

  validation {
    condition     = can(cidrhost(var.address_space, 0)) && endswith(var.address_space, "/16") && !contains(["10.244.0.0/16", "10.96.0.0/16"], var.address_space)
    error_message = "address_space must be an IPv4 /16, and not that of the pods or the services."
  }
}

variable "monthly_budgets" {
  description = "What a month may cost before alert_emails are told, in the subscription's currency: nodes (machines, disks, traffic), platform (cluster tier, registry, logs), kept (videos, database). What is left out is the variant's."
  type = object({
    nodes    = optional(number)
    platform = optional(number)
    kept     = optional(number)
  })
  default = {}

  validation {
    condition     = alltrue([for amount in values(var.monthly_budgets) : amount == null || try(amount >= 1, false)])
    error_message = "monthly_budgets must be 1 or more each."
  }
}

variable "managed_mongodb" {
  description = "Makes a managed MongoDB (azurerm_mongo_cluster) that is reached from the virtual network only. False: MongoDB runs in Kubernetes."
  type        = bool
  default     = false
}

variable "managed_mongodb_password" {
  description = "The administrator's first password, by TF_VAR_managed_mongodb_password and only in the run that makes the cluster. It lands in the state. Later changes here are ignored."
  type        = string
  default     = null
  sensitive   = true

  validation {
    condition     = var.managed_mongodb_password == null || can(regex("^[A-Za-z0-9_-]{20,128}$", var.managed_mongodb_password))
    error_message = "managed_mongodb_password must be 20 to 128 letters, digits, _ or -, which need no escaping in an URL: openssl rand -hex 24."
  }
}

variable "tags" {
  description = "Tags for every resource, beside application and installation."
  type        = map(string)
  default     = {}
}
