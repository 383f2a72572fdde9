# Works for as long as its job says: a number of seconds.
seconds=$(sed -n 's/.*"args":\([0-9.]*\).*/\1/p')
sleep "$seconds"
echo "worked for $seconds s"
