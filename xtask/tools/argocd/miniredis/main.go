// Serves miniredis, the cache that Argo CD itself runs where it has no Redis (`argocd --core`), on the address that is given.
package main

import (
	"fmt"
	"os"
	"time"

	"github.com/alicebob/miniredis/v2"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: miniredis HOST:PORT")
		os.Exit(2)
	}
	redis := miniredis.NewMiniRedis()
	if err := redis.StartAddr(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	// Keys expire only when it is told that time passes.
	for range time.Tick(time.Second) {
		redis.FastForward(time.Second)
	}
}
