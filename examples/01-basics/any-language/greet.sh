#!/bin/sh
# One attempt. The request is one line of JSON; what is printed is the result.
read -r request
name=$(printf '%s' "$request" | sed -n 's/.*"name":"\([^"]*\)".*/\1/p')
if [ -z "$name" ]; then
    echo "args have no name" >&2
    exit 66 # naq.toml: never try this again
fi
echo "hello $name, attempt $NAQ_ATTEMPT of $NAQ_MAX_ATTEMPTS"
