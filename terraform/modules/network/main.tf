# The virtual network, and the address at which viewers come in.

resource "azurerm_virtual_network" "this" {
  name                = "vnet-${var.name}"
  resource_group_name = var.resource_group_name
  location            = var.location
  address_space       = [var.address_space]
  tags                = var.tags
}

resource "azurerm_subnet" "nodes" {
  name                 = "nodes"
  resource_group_name  = var.resource_group_name
  virtual_network_name = azurerm_virtual_network.this.name
  # A /20: 4,091 nodes and load balancers. Pods have addresses of their own (overlay).
  address_prefixes = [cidrsubnet(var.address_space, 4, 0)]
  # What goes out does so through the cluster's load balancer, by an address that is ours.
  default_outbound_access_enabled = false

  # The storage account's firewall knows the nodes by this. It costs nothing; a private endpoint
  # would cost for every byte of every video.
  service_endpoint {
    service = "Microsoft.Storage"
  }
}

resource "azurerm_subnet" "endpoints" {
  name                              = "endpoints"
  resource_group_name               = var.resource_group_name
  virtual_network_name              = azurerm_virtual_network.this.name
  address_prefixes                  = [cidrsubnet(var.address_space, 11, 128)]
  default_outbound_access_enabled   = false
  private_endpoint_network_policies = "NetworkSecurityGroupEnabled"
}

# Without a rule of its own a subnet takes everything from the virtual network and nothing from
# outside of it.
resource "azurerm_network_security_group" "nodes" {
  name                = "nsg-${var.name}-nodes"
  resource_group_name = var.resource_group_name
  location            = var.location
  tags                = var.tags

  #checkov:skip=CKV_AZURE_160:port 80 answers ACME challenges and redirects to HTTPS; nothing is served on it
  security_rule {
    name                       = "viewers"
    description                = "HTTPS, and HTTP for the redirect and for certificates."
    priority                   = 100
    direction                  = "Inbound"
    access                     = "Allow"
    protocol                   = "Tcp"
    source_address_prefix      = "Internet"
    source_port_range          = "*"
    destination_address_prefix = "*"
    destination_port_ranges    = ["80", "443"]
  }
}

resource "azurerm_subnet_network_security_group_association" "nodes" {
  subnet_id                 = azurerm_subnet.nodes.id
  network_security_group_id = azurerm_network_security_group.nodes.id
}

# The database's endpoint takes calls from the nodes, and from nothing else in the network.
resource "azurerm_network_security_group" "endpoints" {
  name                = "nsg-${var.name}-endpoints"
  resource_group_name = var.resource_group_name
  location            = var.location
  tags                = var.tags

  security_rule {
    name                         = "nodes"
    description                  = "MongoDB from the nodes."
    priority                     = 100
    direction                    = "Inbound"
    access                       = "Allow"
    protocol                     = "Tcp"
    source_address_prefixes      = azurerm_subnet.nodes.address_prefixes
    source_port_range            = "*"
    destination_address_prefixes = azurerm_subnet.endpoints.address_prefixes
    # Where the name's SRV record leads to.
    destination_port_range = "10260"
  }

  security_rule {
    name                       = "nobody-else"
    description                = "Before Azure's own rule, which lets the whole network in."
    priority                   = 200
    direction                  = "Inbound"
    access                     = "Deny"
    protocol                   = "*"
    source_address_prefix      = "*"
    source_port_range          = "*"
    destination_address_prefix = "*"
    destination_port_range     = "*"
  }
}

resource "azurerm_subnet_network_security_group_association" "endpoints" {
  subnet_id                 = azurerm_subnet.endpoints.id
  network_security_group_id = azurerm_network_security_group.endpoints.id
}

# Of ours and not of the cluster's, so that a cluster made anew is found at the same address.
resource "azurerm_public_ip" "viewers" {
  name                = "pip-${var.name}"
  resource_group_name = var.resource_group_name
  location            = var.location
  allocation_method   = "Static"
  sku                 = "Standard"
  zones               = length(var.zones) == 0 ? null : var.zones
  domain_name_label   = var.name
  # The longest that there is: a viewer may pause.
  idle_timeout_in_minutes = 30
  tags                    = var.tags

  lifecycle {
    # The cluster notes on it which Service uses it.
    ignore_changes = [tags["k8s-azure-service"], tags["k8s-azure-cluster-name"], tags["k8s-azure-dns-label-service"]]
  }
}
