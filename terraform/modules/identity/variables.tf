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

variable "credential" {
  description = "Whose tokens stand for this identity: the issuer, and the one subject, to the letter."
  type = object({
    name    = string
    issuer  = string
    subject = string
  })

  validation {
    # Azure compares subjects to the letter, so a wildcard would match nothing; whoever writes one
    # has another rule in mind than the one they get.
    condition     = !can(regex("[*?\\s]", var.credential.subject))
    error_message = "credential.subject must be exact: no wildcards, no spaces."
  }
}
