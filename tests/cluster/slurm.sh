#!/usr/bin/env bash
# A real Slurm on this one machine, for tests: several nodes, accounting, preemption, in a folder of its own.
#
#   tests/cluster/slurm.sh up DIR      start what is not running; then: . DIR/env.sh
#   tests/cluster/slurm.sh down DIR    end what it started there, and remove DIR
#   tests/cluster/slurm.sh can         exit 0 where it can be started: root, and Debian's packages here or installable
#
# Needs root. Meets no Slurm, munge or MariaDB of the system: own sockets, own ports from SLURM_TEST_PORT (17817).
# Two nodes of 4 CPUs that are this machine; partition main, and urgent, whose jobs put those of main back in the queue.
set -euo pipefail

PACKAGES=(munge slurmctld slurmd slurm-client slurmdbd mariadb-server-core slurm-wlm-mysql-plugin)
PORT=${SLURM_TEST_PORT:-17817}
NODES=2 CPUS=4
export PATH=/usr/sbin:/usr/bin:/sbin:/bin:$PATH

installed() { command -v munged slurmctld slurmd sbatch slurmdbd mariadbd > /dev/null &&
  ls /usr/lib/*/slurm*/accounting_storage_mysql.so > /dev/null 2>&1; }

can() {
  [ "$(id -u)" -eq 0 ] || { echo "needs root"; return 1; }
  installed && return 0
  command -v apt-get > /dev/null || { echo "no Slurm installed, and no apt-get"; return 1; }
  apt-get install -s --no-install-recommends "${PACKAGES[@]}" > /dev/null 2>&1 && return 0
  apt-get update -qq > /dev/null 2>&1 || true
  apt-get install -s --no-install-recommends "${PACKAGES[@]}" > /dev/null 2>&1 ||
    { echo "apt-get cannot install ${PACKAGES[*]}"; return 1; }
}

die() {
  echo "slurm.sh: $*" >&2
  for log in "$D"/log/*.log; do [ -f "$log" ] && { echo "--- $log"; tail -n 10 "$log"; } >&2; done
  exit 1
}

# alive NAME PROGRAM: the process in run/NAME.pid is that program. (A zombie counts as dead: process 1 of a container
# may reap late.)
alive() {
  local pid
  pid=$(cat "$D/run/$1.pid" 2> /dev/null) && [ -n "$pid" ] && [ -r "/proc/$pid/stat" ] || return 1
  case $(tr '\0' ' ' < "/proc/$pid/cmdline" 2> /dev/null) in *"$2"*) ;; *) return 1 ;; esac
  [ "$(sed 's/.*) //; s/ .*//' "/proc/$pid/stat" 2> /dev/null)" != Z ]
}

# until_ok SECONDS COMMAND...
until_ok() {
  local end=$(($(date +%s) + $1)); shift
  until "$@" > /dev/null 2>&1; do [ "$(date +%s)" -lt "$end" ] || return 1; sleep 0.1; done
}

install_packages() {
  installed && return 0
  local made=
  # The packages would start daemons of their own.
  [ -e /usr/sbin/policy-rc.d ] || { printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d; chmod 755 /usr/sbin/policy-rc.d; made=1; }
  { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
      -o Dpkg::Options::=--force-unsafe-io -o Dpkg::Options::="--path-exclude=/usr/share/man/*" "${PACKAGES[@]}"; } \
    > "$D/log/apt.log" 2>&1 || { [ -z "$made" ] || rm -f /usr/sbin/policy-rc.d; die "apt-get failed"; }
  [ -z "$made" ] || rm -f /usr/sbin/policy-rc.d
}

write_configuration() {
  local i nodes=
  for i in $(seq $NODES); do
    nodes+="NodeName=node$i NodeHostname=$(hostname -s) NodeAddr=127.0.0.1 Port=$((PORT + 10 + i)) CPUs=$CPUS"$'\n'
  done
  [ -s "$D/etc/munge.key" ] || (umask 077; dd if=/dev/urandom of="$D/etc/munge.key" bs=128 count=1 status=none)
  [ -s "$D/etc/db.pass" ] || (umask 077; od -An -N12 -tx1 /dev/urandom | tr -d ' \n' > "$D/etc/db.pass")
  # cred_expire is also how long a requeued job waits; AuthInfo is not read for slurmdbd, so its socket is named again;
  # config_overrides lets a node claim more CPUs than there are.
  cat > "$D/etc/slurm.conf" << CONF
ClusterName=$CLUSTER
SlurmctldHost=localhost
SlurmctldPort=$PORT
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$SOCKET,cred_expire=5
StateSaveLocation=$D/state
SlurmdSpoolDir=$D/spool/%n
SlurmctldPidFile=$D/run/slurmctld.pid
SlurmdPidFile=$D/run/slurmd-%n.pid
SlurmctldLogFile=$D/log/slurmctld.log
SlurmdLogFile=$D/log/slurmd-%n.log
MailProg=/bin/true
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0,bf_interval=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
ReturnToService=2
SlurmdTimeout=30
KillWait=5
CompleteWait=0
MinJobAge=600
MaxArraySize=5
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=localhost
AccountingStoragePort=$((PORT + 2))
AccountingStoragePass=$SOCKET
${nodes}PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE DefaultTime=10 State=UP PriorityTier=1
PartitionName=urgent Nodes=ALL MaxTime=INFINITE DefaultTime=10 State=UP PriorityTier=10
CONF
  # 22.05 needs no cgroup.conf; later ones look for systemd unless told not to.
  dpkg --compare-versions "$(slurmctld -V | awk '{print $2}')" ge 23.11 && echo 'CgroupPlugin=disabled' > "$D/etc/cgroup.conf"
  (umask 077; cat > "$D/etc/slurmdbd.conf" << CONF
AuthType=auth/munge
AuthInfo=socket=$SOCKET
DbdHost=localhost
DbdPort=$((PORT + 2))
SlurmUser=root
PidFile=$D/run/slurmdbd.pid
LogFile=$D/log/slurmdbd.log
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort=$((PORT + 3))
StorageUser=slurm
StoragePass=$(cat "$D/etc/db.pass")
StorageLoc=slurm_acct_db
CONF
  )
  echo "export SLURM_CONF=$D/etc/slurm.conf" > "$D/env.sh"
}

start_database() {
  local sql=/usr/share/mysql
  [ -f $sql/mysql_system_tables.sql ] || sql=/usr/share/mariadb
  local fast=(--no-defaults --user=root --datadir="$D/db" --skip-name-resolve --innodb-buffer-pool-size=64M
    --innodb-log-file-size=16M --innodb-flush-log-at-trx-commit=0 --innodb-flush-method=nosync
    --innodb-doublewrite=0 --innodb-lock-wait-timeout=900)
  if [ ! -e "$D/db/.ready" ]; then
    # mariadb-install-db needs the client's package. In bootstrap mode every statement ends its line.
    rm -rf "$D/db"; mkdir -p "$D/db"
    { printf 'CREATE DATABASE IF NOT EXISTS mysql;\nuse mysql;\n'
      cat $sql/mysql_system_tables.sql $sql/mysql_system_tables_data.sql
      printf '\nFLUSH PRIVILEGES;\nCREATE DATABASE slurm_acct_db;\n'
      printf "CREATE USER 'slurm'@'127.0.0.1' IDENTIFIED BY '%s';\n" "$(cat "$D/etc/db.pass")"
      printf "GRANT ALL ON slurm_acct_db.* TO 'slurm'@'127.0.0.1';\n"
    } | mariadbd "${fast[@]}" --bootstrap > "$D/log/bootstrap.log" 2>&1 || die "no database"
    touch "$D/db/.ready"
  fi
  rm -f "$D/run/mysql.sock"
  setsid nohup mariadbd "${fast[@]}" --socket="$D/run/mysql.sock" --pid-file="$D/run/mariadbd.pid" \
    --log-error="$D/log/mariadbd.log" --bind-address=127.0.0.1 --port=$((PORT + 3)) \
    --performance-schema=OFF --skip-log-bin < /dev/null > /dev/null 2>&1 &
  until_ok 30 test -S "$D/run/mysql.sock" || die "mariadbd did not start"
}

nodes_ready() { [ "$(sinfo -h -N -p main -o '%t' | grep -cE '^(idle|mix|alloc|comp)$')" -eq "$NODES" ]; }

up() {
  can || exit 1
  mkdir -p "$D"/{etc,run,log,state,spool}
  chmod 755 "$D" "$D"/{etc,run,log}
  install_packages
  write_configuration
  if ! alive munged munged; then
    rm -f "$SOCKET" "$SOCKET.lock"
    munged --key-file="$D/etc/munge.key" --socket="$SOCKET" --pid-file="$D/run/munged.pid" \
      --log-file="$D/log/munged.log" --seed-file="$D/run/munged.seed"
    until_ok 10 munge -S "$SOCKET" -n || die "munged does not answer"
  fi
  alive mariadbd mariadbd || start_database
  if ! alive slurmdbd slurmdbd; then
    rm -f "$D/run/slurmdbd.pid"
    slurmdbd
    until_ok 30 sacctmgr -n show cluster || die "slurmdbd does not answer"
  fi
  sacctmgr -nP show cluster format=cluster | grep -qx "$CLUSTER" || sacctmgr -iQ add cluster "$CLUSTER" > /dev/null ||
    die "no cluster in the accounts"
  if ! alive slurmctld slurmctld; then
    rm -f "$D/run/slurmctld.pid"
    slurmctld -f "$SLURM_CONF" -i
    until_ok 15 scontrol ping || die "slurmctld does not answer"
  fi
  for i in $(seq $NODES); do
    alive "slurmd-node$i" slurmd && continue
    rm -f "$D/run/slurmd-node$i.pid"; mkdir -p "$D/spool/node$i"
    slurmd -f "$SLURM_CONF" -N "node$i"
  done
  until_ok 30 nodes_ready || die "the nodes are not idle: $(sinfo -R -h 2>&1)"
  until_ok 30 timeout 5 srun -Q -n1 -t1 true || die "srun does not run"
}

stop() {  # NAME PROGRAM
  local pid i
  pid=$(cat "$D/run/$1.pid" 2> /dev/null) || return 0
  if alive "$1" "$2"; then
    kill "$pid" 2> /dev/null || true
    for i in $(seq 100); do alive "$1" "$2" || break; sleep 0.1; done
    if alive "$1" "$2"; then kill -9 "$pid" 2> /dev/null || true; fi
  fi
  rm -f "$D/run/$1.pid"
}

down() {
  [ -f "$D/etc/slurm.conf" ] || return 0
  if alive slurmctld slurmctld; then
    local i jobs
    jobs=$(timeout 5 squeue -h -r -o %A 2> /dev/null | sort -u || true)
    [ -z "$jobs" ] || timeout 10 scancel $jobs 2> /dev/null || true
    for i in $(seq 100); do [ -z "$(timeout 5 squeue -h 2> /dev/null)" ] && break; sleep 0.1; done
  fi
  for i in $(seq $NODES); do stop "slurmd-node$i" slurmd; done
  stop slurmctld slurmctld; stop slurmdbd slurmdbd; stop mariadbd mariadbd; stop munged munged
  rm -rf "$D"
}

case ${1:-} in
  can) can ;;
  up | down)
    D=$(realpath -m "${2:?slurm.sh $1 DIR}")
    CLUSTER=sieve$PORT SOCKET=$D/run/munge.sock
    export SLURM_CONF=$D/etc/slurm.conf
    for name in $(compgen -e SLURM_); do [ "$name" = SLURM_CONF ] || unset "$name"; done
    "$1" ;;
  *) sed -n '2,10p' "$0"; exit 2 ;;
esac
