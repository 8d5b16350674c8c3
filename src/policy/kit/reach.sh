
# Tries all addresses of `policy.networks.must_not_reach` concurrently.
case $( (: <>/dev/tcp/127.0.0.1/1) 2>&1 || :) in
  *'No such file'*) stop 'this bash opens no connections, so that nothing can be tried' ;;
esac
timeout 5 true || stop 'the image has no timeout command, so that nothing can be tried'
places=(@PLACES@)
tries=()
for place in "${places[@]}"; do
  timeout 5 bash -c ": <>'/dev/tcp/$place'" 2>/dev/null &
  tries+=($!)
done
for n in "${!places[@]}"; do
  code=0
  wait "${tries[n]}" || code=$?
  case $code in
    0) stop "the runner can reach ${places[n]}, which policy.networks.must_not_reach forbids" ;;
    1 | 124) ;;
    *) stop "whether the runner can reach ${places[n]} cannot be told ($code)" ;;
  esac
done
