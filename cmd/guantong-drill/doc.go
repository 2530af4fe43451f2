// Command guantong-drill runs scenarios and benchmarks against real guantong processes, with real browsers and telephones where
// there are some, and reports every figure.
//
//	guantong-drill list
//	guantong-drill run one-site   [-seed N] [-json FILE|-] [-rounds N]
//	guantong-drill run power-cut  [-seed N] [-json FILE|-] [-rounds N] [-disk-rounds N]
//	guantong-drill run chaos      [-seed N] [-json FILE|-] [-minutes N] [-nodes N]
//	guantong-drill run dead-server [-json FILE|-] [-rounds N] [-nodes N]
//	guantong-drill run rolling    [-json FILE|-] [-rounds N] [-nodes N]
//	guantong-drill bench voice    [-legs browser|phone] [-listeners N] [-seconds N] [-profile FILE] [-json FILE|-]
//	guantong-drill bench start    [-messages N] [-json FILE|-]
//	guantong-drill bench bundle   [-rounds N] [-json FILE|-]
//	guantong-drill bench record   [-nodes N] [-writers 1,16,128] [-seconds N] [-rounds N] [-etcd PROGRAM] [-nats PROGRAM] [-profile PREFIX] [-json FILE|-]
//
// The JSON is {"name","seed","passed","checks":[{"what","want","got","ok"}],"figures":{NAME:NUMBER}}. The exit status is 0 only when all checks
// passed. What it ran on goes to stderr, as does what it is doing. A server is built from this module unless -server names a binary.
//
// The drill's own load runs in child processes of it (the hidden commands legs, bare and cut), so that the server's CPU time is the server's alone.
package main
