// Command relay passes TCP connections on: the registry listens on the machine's loopback, which the node does not have.
package main

import (
	"flag"
	"io"
	"log"
	"net"
)

func main() {
	from := flag.String("listen", "", "the address to listen on, HOST:PORT")
	to := flag.String("to", "", "the address to connect to, HOST:PORT")
	flag.Parse()
	listener, err := net.Listen("tcp", *from)
	if err != nil {
		log.Fatal(err)
	}
	for {
		client, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go pass(client, *to)
	}
}

func pass(client net.Conn, to string) {
	defer client.Close()
	server, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer server.Close()
	done := make(chan struct{}, 2)
	for _, ends := range [][2]net.Conn{{client, server}, {server, client}} {
		go func() {
			io.Copy(ends[0], ends[1])
			// One side may have said all it has to say and still be told something.
			ends[0].(*net.TCPConn).CloseWrite()
			done <- struct{}{}
		}()
	}
	<-done
	<-done
}
