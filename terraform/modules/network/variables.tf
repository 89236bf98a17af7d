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

variable "address_space" {
  description = "An IPv4 /16."
  type        = string
}

variable "zones" {
  description = "The zones that the public address is spread over; none for no particular one."
  type        = list(string)
}
