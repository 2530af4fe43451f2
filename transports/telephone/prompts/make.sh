#!/bin/sh
# Makes the prompts anew: Mandarin by espeak-ng, 16 kHz mono, G.722 at 64 kbit/s without a container.
# Needs the Debian packages espeak-ng, sox and ffmpeg.
set -eu
cd "$(dirname "$0")"
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
say() {
	espeak-ng -v cmn -s 165 -g 2 -w "$tmp/a.wav" "$2"
	sox "$tmp/a.wav" -r 16000 -c 1 -b 16 "$tmp/b.wav" highpass 120 norm -6 \
		silence 1 0.02 0.3% reverse silence 1 0.02 0.3% reverse pad 0.05 0.1
	ffmpeg -v error -y -i "$tmp/b.wav" -ar 16000 -ac 1 -c:a g722 -f g722 "$1.g722"
}
say waiting 您好，请稍候，正在为您转接值班席位
say on_hold 通话已保持，请稍候
say not_in_group 您无权加入该通话组
say group_joined 已加入通话组，按星号键讲话，按井号键释放
say denied 话权被占用
say queued 已排队，请稍候
say revoked 话权已收回
say nobody 无人收听
