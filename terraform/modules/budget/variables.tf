variable "name" {
  type = string
}

variable "resource_group_id" {
  type = string
}

variable "amount" {
  description = "Per calendar month, in the subscription's currency."
  type        = number
}

variable "emails" {
  type = set(string)
}
