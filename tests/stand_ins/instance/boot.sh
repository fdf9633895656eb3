#!/usr/bin/env bash
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Stands in for cloud-init: runs the user data once, as root, its output kept where cloud-init keeps it.
set -euo pipefail

folder=/var/lib/cloud/instance
[ ! -e "$folder/user-data.txt" ] || exit 0
install -d -m 0700 "$folder"
token=$(curl -fsS --retry 20 --retry-connrefused --retry-delay 1 -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' \
    http://169.254.169.254/latest/api/token)
(umask 077 && curl -fsS -H "X-aws-ec2-metadata-token: $token" -o "$folder/user-data.txt" http://169.254.169.254/latest/user-data)
chmod 0700 "$folder/user-data.txt"
"$folder/user-data.txt" 2>&1 | tee -a /var/log/cloud-init-output.log
