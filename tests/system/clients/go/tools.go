//go:build tools

// Package main names the generator here too, so that go.mod pins it.
package main

import _ "github.com/hooklift/gowsdl/cmd/gowsdl"
