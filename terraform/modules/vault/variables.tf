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

variable "tenant_id" {
  type = string
}

variable "allowed_ip_ranges" {
  description = "Who reaches it: public addresses or networks."
  type        = set(string)
}
