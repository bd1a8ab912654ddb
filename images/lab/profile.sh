# For every interactive bash, a login shell or not: the lab's programs, the terminal's title and prompt, and what
# there is to know about this start.
case ":$PATH:" in
  *:/opt/lab/bin:*) ;;
  *) export PATH="/opt/lab/bin:$PATH" ;;
esac
if [ -n "${BASH_VERSION:-}" ] && [ -n "${PS1:-}" ] && [ -z "${_lab_shown:-}" ]; then
  _lab_shown=yes
  # A prompt of one's own in ~/.bashrc comes later and wins; the title does not stand in its way.
  PS1='\u@'"${LAB_NAME:-lab}"':\w\$ '
  _lab_title() { printf '\e]0;%s: %s\a' "${LAB_NAME:-lab}" "${PWD/#"$HOME"/\~}"; }
  PROMPT_COMMAND="_lab_title${PROMPT_COMMAND:+; $PROMPT_COMMAND}"
  [ -z "${LAB_NOTICE:-}" ] || printf '\e[1m%s\e[0m\n\n' "$LAB_NOTICE"
fi
