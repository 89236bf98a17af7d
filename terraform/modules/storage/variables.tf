variable "name" {
  type = string
}

variable "resource_group_name" {
  type = string
}

variable "location" {
  type = string
}

variable "tags" {
  type    = map(string)
  default = {}
}

variable "replication" {
  description = "LRS or ZRS."
  type        = string
}

variable "deleted_kept_days" {
  description = "How long what is deleted can be brought back."
  type        = number
}

variable "old_version_days" {
  description = "How long a replaced version is kept, from the day it was written."
  type        = number
}

variable "allowed_subnet_id" {
  description = "The nodes' subnet."
  type        = string
}

variable "allowed_ip_ranges" {
  description = "Who else reaches it: public addresses or networks."
  type        = set(string)
}
