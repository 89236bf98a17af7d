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

variable "resource_group_id" {
  description = "The group whose trouble at Azure's side is told."
  type        = string
}

variable "emails" {
  type = set(string)
}

variable "cluster_id" {
  type = string
}

variable "storage_account_id" {
  type = string
}

variable "vault_id" {
  type = string
}
