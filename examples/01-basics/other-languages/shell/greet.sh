# Fails in its first two attempts, as a service fails that is down for a moment.
if [ "$NAQ_ATTEMPT" -lt 3 ]; then
    echo "the mail server is away" >&2
    exit 75
fi
echo "hello, in attempt $NAQ_ATTEMPT of $NAQ_MAX_ATTEMPTS"
