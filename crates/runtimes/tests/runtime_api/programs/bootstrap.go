// A function in Go, with nothing but the standard library.
package main

import (
	"bytes"
	"io"
	"net/http"
	"os"
)

func main() {
	api := "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/invocation/"
	for {
		event, err := http.Get(api + "next")
		if err != nil {
			panic(err)
		}
		body, _ := io.ReadAll(event.Body)
		event.Body.Close()
		id := event.Header.Get("Lambda-Runtime-Aws-Request-Id")
		reply, err := http.Post(api+id+"/response", "application/json", bytes.NewReader(body))
		if err != nil {
			panic(err)
		}
		io.Copy(io.Discard, reply.Body)
		reply.Body.Close()
	}
}
