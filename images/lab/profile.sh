# A login shell starts from the system's own PATH: put the lab's programs back in front.
case ":$PATH:" in
  *:/opt/lab/bin:*) ;;
  *) export PATH="/opt/lab/bin:$PATH" ;;
esac
