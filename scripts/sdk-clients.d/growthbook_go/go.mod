module sdkclients

go 1.22

require github.com/growthbook/growthbook-golang v0.7.0

require github.com/tmaxmax/go-sse v0.10.0 // indirect
