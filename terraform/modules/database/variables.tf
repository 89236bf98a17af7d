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

variable "compute_tier" {
  type = string
}

variable "zone_redundant" {
  description = "A standby in another zone."
  type        = bool
}

variable "storage_size_gb" {
  type = number
}

variable "administrator_password" {
  description = "For the run that makes it; later ones ignore it."
  type        = string
  sensitive   = true
}

variable "virtual_network_id" {
  type = string
}

variable "subnet_id" {
  description = "Where its private endpoint is."
  type        = string
}
