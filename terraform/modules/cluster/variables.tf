variable "name" {
  type = string
}

variable "resource_group_name" {
  type = string
}

variable "node_resource_group" {
  description = "The group that AKS makes for machines, disks and load balancers."
  type        = string
}

variable "location" {
  type = string
}

variable "tags" {
  type    = map(string)
  default = {}
}

variable "tenant_id" {
  description = "Whose people and identities may enter."
  type        = string
}

variable "kubernetes_version" {
  description = "A minor version, or null for what AKS recommends."
  type        = string
}

variable "sku_tier" {
  description = "Free, or Standard for an uptime SLA."
  type        = string
}

variable "zones" {
  type = list(string)
}

variable "system_pool" {
  description = "The pool of the cluster's own pods. addons_only keeps all others out."
  type = object({
    vm_size         = string
    min_count       = number
    max_count       = number
    addons_only     = bool
    os_disk_type    = string
    os_disk_size_gb = number
    host_encryption = bool
  })
}

variable "user_pool" {
  description = "The pool of FlixTube, once for each zone. Null: it runs in the system pool."
  type = object({
    vm_size         = string
    min_count       = number
    max_count       = number
    os_disk_type    = string
    os_disk_size_gb = number
    host_encryption = bool
  })

  validation {
    condition     = var.user_pool != null || !var.system_pool.addons_only
    error_message = "Without a user pool the system pool must take FlixTube's pods."
  }
}

variable "network_resource_group" {
  description = "Id of the group that holds the subnet and the public address."
  type        = string
}

variable "subnet_id" {
  type = string
}

variable "public_ip_id" {
  type = string
}

variable "authorized_ip_ranges" {
  description = "The only networks that reach the API server; empty for all."
  type        = set(string)
}

variable "logs" {
  description = "Where container logs go; null for nowhere."
  type        = object({ workspace_id = string })
}
