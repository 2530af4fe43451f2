import type zh from './zh'

type Texts<T> = { [K in keyof T]: T[K] extends string ? string : Texts<T[K]> }

const en: Texts<typeof zh> = {
  app: { title: 'Emergency dispatch console' },
  ui: {
    close: 'Close', loading: 'Loading…', logout: 'Log out', cancel: 'Cancel', remove: 'Remove', find: 'Find by name or number', search: 'Search', all: 'All', time: 'Time', print: 'Print',
    add: 'New', edit: 'Edit', save: 'Save', delete: 'Delete', show: 'Show', kind_unit: 'Unit', kind_group: 'Group', kind_position: 'Position',
  },
  nav: { label: 'Main menu', dispatch: 'Dispatch', calls: 'Calls', messages: 'Messages', journal: 'Journal', positions: 'Desk', admin: 'Admin', audit: 'Audit' },
  light: { link: 'Server', media: 'Voice', mic: 'Mic', disk: 'Disk {n}%' },
  login: { user: 'User', password: 'Password', totp: 'One-time code (6 digits)', submit: 'Log in', busy: 'Logging in…' },
  bye: {
    session_ended: 'Your session has ended. Please log in again.', logged_out: 'Logged out.', revoked: 'An administrator ended your session.', password_changed: 'Password changed. Please log in with it.', unreachable: 'The server cannot be reached. Waiting for it.',
  },
  password: {
    title: 'First log-in: change your password', why: 'The first password works only once. Nothing else is possible before it is changed.', old: 'Current password', new: 'New password', again: 'New password again', differs: 'The two new passwords differ', submit: 'Change password', change: 'Change password', done: 'Password changed',
  },
  totp: { title: 'One-time codes', on: 'on', off: 'off', begin: 'Switch on', how: 'Add this key to an authenticator by hand, then enter the 6 digits it shows.', confirm: 'Confirm', remove: 'Switch off' },
  settings: {
    title: 'Settings of this desk', sound: 'Sound', mic: 'Microphone', speaker: 'Listening device', alarm: 'Second output for alarms (loudspeaker)', system: 'System default', no_second: 'No second output', duck: 'Turn other groups down while I talk', echo: 'Cancel echo (needed with loudspeakers)', noise: 'Suppress noise',
    gain: 'Automatic microphone level', key: 'Talk key', key_now: 'Key now:', key_learn: 'Change key or foot switch', key_press: 'Press the new key…', key_space: 'Back to the space bar', key_silent: 'This key talks even while you type in a field.', key_typing: 'This key does not talk while you type in a field. To talk while typing use F1–F24, Pause or the like, or a HID pedal.',
    pedal: 'Connect a HID pedal', pedals: 'Connected: {names}', pedal_hint: 'A HID pedal uses no key and works while any field has the focus.', pedal_none: 'This browser cannot read HID pedals. Use Chrome or Edge, or set the pedal up as a key.', language: 'Language',
  },
  tone: { grant: 'Talk', deny: 'Denied', queued: 'Queued', nobody: 'Nobody hears', revoked: 'Floor revoked' },
  precedence: { label: 'Precedence', 'flash-override': 'Flash override', flash: 'Flash', immediate: 'Immediate', priority: 'Priority', routine: 'Routine' },
  kind: { talk: 'Talk group', broadcast: 'Broadcast', temporary: 'Temporary', person: 'Person', phone: 'Telephone', terminal: 'Terminal', gateway: 'Gateway' },
  via: { console: 'console', phone: 'telephone', outside: 'outside line' },
  groups: {
    title: 'Talk groups', only_mine: 'Only those I hear', none: 'No talk group yet. Ask a system administrator to make one or to add you.', select_hint: 'Click to talk to it; double click to talk to it alone', deselect: 'Stop talking to {name}', aimed: 'TALK', listening: 'Listening', listen: 'Listen',
    monitor: 'Monitor', monitoring: 'Monitored', force_clear: 'Force clear', idle: 'Idle', joining: 'Joining…', not_listening: 'Not listening', me: 'I am talking', queue: 'Waiting:', volume: 'Volume', silent: 'off', side: 'Ear', left: 'L', both: 'LR', right: 'R',
    listen_only: 'listens only', cut: 'Link lost', cannot_hear: 'cannot hear', island: 'Island', end_emergency: 'End emergency',
  },
  patch: { name: 'Patch', begin: 'Patch', pick: 'Choose groups to patch', choose: 'Choose the groups to patch (two or more)', what: 'Patched groups hear one another under one floor; that is not the same as talking to several.', name_hint: 'Name (optional)', create: 'Patch these {n}', part: 'Part' },
  temporary: { begin: 'Temporary', title: 'Make a temporary group', name: 'Name', minutes: 'Lasts (minutes)', who: 'Members: people or whole groups', create: 'Make and select' },
  ptt: {
    to: 'Talk to', to_many: 'Talk to several ({n})', choose: 'Nothing selected: click a group’s name', aria: 'Talk key, hold to talk', wait: 'Keep holding: a tone tells when it is your turn', hint: 'Hold the space bar, or hold here', hint_key: 'Hold {key}, or hold here', idle: 'Hold to talk', none: 'Select a group first', requesting: 'Asking…', talking: 'Talk now',
    nobody: 'Talk: nobody hears, recorded only', emergency: 'EMERGENCY: talk now', queued: 'Queued, number {n}', queued_plain: 'Queued', left: '{n} s left', hear: '{n} can hear', hear_none: 'Nobody can hear', hear_none_in: 'Nobody hears in {group}', hear_unknown: 'Select a group to see who hears', deaf: '{n} cannot hear', all_hear: 'Everyone in it can hear',
    break_in: 'Break in', break_in_hint: 'The next press interrupts whoever talks (audited)', answer: { requesting: 'asking', granted: 'through', queued: 'queued', denied: 'refused' },
  },
  cause: {
    other: 'You cannot talk ({c})', nothing_selected: 'Select a group first', no_answer: 'The server does not answer', link_lost: 'Connection to the server lost', media_down: 'Voice is not connected', mic_denied: 'The browser does not allow the microphone', mic_missing: 'No microphone found', mic_lost: 'Microphone disconnected', mic_unknown: 'Opening the microphone…', mic_insecure: 'Not secure: no microphone',
    mic_busy: 'Another program uses the microphone', another_has_permission: 'Somebody else is talking', busy: 'Somebody else is talking', internal_error: 'Server error', only_one_participant: 'You are alone in the group', retry_after: 'Wait a moment', receive_only: 'You may only listen here', no_resources: 'The server is short of resources', queue_full: 'The queue is full', other_cause: 'Refused',
    only_one_client: 'Nobody else is left', burst_too_long: 'Talk time is over', too_long: 'Talk time is over', no_permission: 'You may not talk', burst_preempted: 'Pre-empted by something more urgent', preempted: 'Pre-empted by something more urgent', pre_empted: 'Pre-empted by something more urgent', no_resources_left: 'The server is short of resources', revoked_by_another: 'Cleared by a dispatcher', forced: 'Cleared by a dispatcher', cleared: 'Cleared by a dispatcher',
    withdrawn: 'Your right to talk was withdrawn', silent: 'Nothing was heard of you', limit: 'Talk time is over', denied: 'Refused', revoked: 'Floor revoked', ended: 'The call is over', unqueued: 'No longer queued', left: 'Left', interrupted: 'Interrupted', superseded: 'Another talker went first',
  },
  emergency: { name: 'EMERGENCY', aria: 'Emergency call, hold for 1.5 seconds', hold: 'Hold 1.5 s', keep: 'Keep holding…', sent: 'Sent: talk now', retrying: 'Alert NOT delivered yet, trying again ({n})', end: 'End emergency: {group}' },
  alerts: {
    title: 'Emergency alerts', raised: 'Alert at {at}', place: 'at {place}', no_place: 'place unknown', acked: 'acknowledged by {by} {at} {pos}', ack: 'Acknowledge as {name}', clear: 'Clear', talk: 'Talk to group', stage2: 'duty phone called', stage3: 'parent site told', state: { raised: 'not acknowledged', acknowledged: 'acknowledged', cleared: 'cleared' },
  },
  calls: {
    title: 'Calls', dial: 'Dial', call_name: 'Call {name}', dial_hint: 'Number, name or outside line', trunk: 'Trunk', trunk_auto: 'Any trunk', into: 'Into', into_none: 'Into no group', half: 'Half-duplex', none: 'No calls', live: 'Live calls', log: 'Call log', log_none: 'No calls recorded', missed_n: '{n} missed', private: 'Private call',
    unverified: 'not verified', answer: 'Answer', pickup: 'Pick up', hold: 'Hold', resume: 'Resume', transfer: 'Transfer', admit: 'Into a group', dismiss: 'Out of the group', refuse: 'Refuse', hang: 'Hang up', mute: 'Mute', muted: 'Muted: they do not hear you', open_mic: 'Microphone open: they hear you', press: 'Hold to talk', transfer_title: 'Transfer {who} to', admit_title: 'Let {who} into a group',
    admit_warning: 'The caller is not verified, and will hear everything said in the group.', party: 'Party', at: 'Position / by', outcome: 'Result', length: 'Length', back: 'Call back', again: 'Call again', returned: 'called back', incoming: 'Incoming', state: { ringing: 'Ringing', queued: 'Waiting', dialling: 'Dialling', answered: 'Talking', held: 'On hold', in_group: 'In group', ended: 'Ended' },
    result: { answered: 'answered', missed: 'missed', busy: 'busy', refused: 'refused', failed: 'failed' },
  },
  messages: {
    title: 'Messages', several: 'To several', several_title: 'Message to several', unsigned: '{n} to sign for', files: '[attachment]', search: 'Search messages', found: '{n} found', choose: 'Choose a group, position or person on the left', older: 'Older messages', none: 'No messages yet', sending: 'Sending, not accepted yet', not_accepted: 'Not accepted: the message was not sent.', retry: 'Retry', discard: 'Discard',
    sign_wanted: 'To be signed for', sign: 'Sign for', want_sign: 'Must be signed for', expired: 'expired', no_receipts: 'No receipts yet', hint: 'Write a message; Enter sends, Shift+Enter breaks the line', send: 'Send', attach: 'Attach', lifetime: 'Lifetime', life_0: 'unlimited', life_h: '{n} h', too_large: '{name} is larger than 50 MB', upload_retry: 'Interrupted, resuming…',
  },
  receipt: { sending: 'sending', accepted: 'accepted', delivered: 'delivered', read: 'read', signed: 'signed for' },
  presence: { online: 'online', offline: 'offline' },
  journal: {
    recent: 'Recent bursts', all: 'Journal', none: 'No bursts recorded', play: 'Replay {name}', call: 'Call', failed: 'replay failed', group: 'Group', talker: 'Talker', talker_hint: 'Name or number', from: 'From', to: 'To', through: 'Play on', sum: '{n} bursts, {length}', export: 'Export this range', older: 'Older bursts',
  },
  end: { revoked: 'revoked', limit: 'talk limit', too_long: 'talk limit', cleared: 'force-cleared', forced: 'force-cleared', preempted: 'pre-empted', left: 'talker left', interrupted: 'interrupted', silent: 'silent', withdrawn: 'right withdrawn', call_ended: 'call ended', superseded: 'superseded' },
  positions: { title: 'Positions', none: 'No position', no_positions: 'No positions yet. Ask a system administrator.', since: 'since {at}', empty: 'nobody', here: 'My desk', take: 'Sit down', take_over: 'Take over from {from}', leave: 'Leave' },
  handover: {
    take: 'Take over · {name}', leave: 'Leave · {name}', from: 'From', to: 'to', checking: 'Checking for unsigned messages…', alerts: 'Open alerts {n}', no_alerts: 'No open alerts', patches: 'Standing patches {n}', no_patches: 'No patches', unsigned: 'Unsigned messages {n}', no_unsigned: 'Nothing to sign for', no_missed: 'No missed calls', note: 'Note',
    read: 'I have read all of this and take over', told: 'I have handed all of this over', confirm_take: 'Take over', confirm_leave: 'Leave', sign: 'Handed over by: ____________   Taken over by: ____________', past: 'Past hand-overs', none: 'No hand-overs yet', counts: 'alerts {a} · patches {p} · unsigned {m}',
  },
  log: { title: '{site} {name} shift log', kind: 'Kind', what: 'What', none: 'Nothing in this time', message: 'Message', burst: 'Speech', alert: 'Alert', call: 'Call', handover: 'Hand-over', patch: 'Patch', receipt: 'Receipt', group: 'Group', position: 'Position', unit: 'Unit', member: 'Member' },
  exercise: { banner: 'EXERCISE · {name} · EXERCISE · all traffic on this screen is exercise traffic', mark: 'Exercise {name}', label: 'Name of the exercise', hint: 'e.g. Flood exercise 2026', start: 'Begin exercise', stop: 'End exercise' },
  status: {
    title: 'System status', none: 'The server has not reported yet', health: 'Health', well: 'All is well', disk: 'Disk', free: '{free} of {total} free', clock: 'Clock', legs: 'Legs', legs_value: '{consoles} consoles · {phones} telephones · {calls} calls · {talking} groups talking', cluster: 'Node', leader: 'leader', follower: 'follower', quorum: 'quorum',
    no_quorum: 'no quorum: island', process: 'Process', process_value: 'version {version} · up {up} · memory {mem}', link_up: 'connected', link_down: 'lost',
  },
  degraded: { disk_low: 'disk is low', disk_reserve: 'disk at its reserve: writing refused', no_quorum: 'no quorum', clock_untrusted: 'clock not trusted', recorder_failed: 'recorder failed' },
  notice: {
    insecure: 'This page is not secure (HTTPS), so the browser forbids the microphone: you can watch but not talk. Open the https:// address and have the site’s root certificate installed.', connecting: 'Connecting…', link_lost: 'The server has been lost for {seconds} s: you hear nothing and nobody hears you; the page shows what was before. Reconnecting by itself. Use the spare phone or radio.',
    media_down: 'Voice is not connected: messages and calls are shown, but you neither hear nor talk. Trying again.', degraded_disk_low: 'The server’s disk is low. Tell operations. Communication goes on.', degraded_disk_reserve: 'The server’s disk is at its reserve: new messages and recordings are refused, voice goes on. Tell operations now.', degraded_no_quorum: 'Most nodes of the site are out of reach, this one goes on alone: voice works, messages are kept here until they return.',
    degraded_clock_untrusted: 'The server’s clock is not trusted: times shown may be wrong.', degraded_recorder_failed: 'Recording has failed: what is said now is not recorded. Tell operations, and write down what matters.', degraded_other: 'Degraded: {what}', load_failed: 'Groups and other lists failed to load and may be incomplete.', mic_denied: 'The browser does not allow the microphone: you hear, but cannot talk. Allow it beside the address.',
    mic_missing: 'No microphone found: you hear, but cannot talk. Plug a headset in.', mic_lost: 'Microphone disconnected: you hear, but cannot talk. Check the plug.', mic_busy: 'Another program uses the microphone: you hear, but cannot talk.', autoplay: 'The browser blocks sound: you hear neither speech nor alarms.', unplugged: 'A sound device was unplugged: {name}. Sound may come from another one.',
    do_unblock: 'Switch sound on', do_mic: 'Try again', do_reload: 'Load again', do_settings: 'Sound settings',
  },
  field: {
    number: 'Number', name: 'Name', user_name: 'User name', unit: 'Unit', roles: 'Roles', totp: 'One-time codes', disabled: 'Disabled', must_change: 'Must change password at log-in', password: 'Password', kind: 'Kind', org: 'Organisation', revoked: 'Revoked', priority: 'Priority (0–7, higher first)', precedence: 'Precedence', talk_limit: 'Talk limit (s, 0: default)', open: 'Open (anyone may join)',
    username: 'SIP user', class: 'Class of service (empty: no outside calls)', vad: 'Voice activation (no * and #)', phones: 'Telephones of the position (ring together)', duty_phone: 'Duty phone', overflow: 'Overflow to position', occupant: 'Occupant', talk: 'May talk',
  },
  role: { dispatcher: 'Dispatcher', commander: 'Commander', operator: 'Operator', auditor: 'Auditor', unit: 'Unit', system_admin: 'System administrator', security_admin: 'Security administrator', audit_admin: 'Audit administrator' },
  admin: {
    users: 'Users', units: 'Units', groups: 'Groups', extensions: 'Extensions', positions: 'Positions', members: 'Members', import: 'Import', one_users: 'user', one_units: 'unit', one_groups: 'group', one_extensions: 'extension', one_positions: 'position', new: 'New {what}', change: 'Change {what}', none: 'None yet', counts: '{u} units · {g} groups',
    confirm_delete: 'Delete “{what}”?', password_new: 'empty: the server makes one', password_keep: 'empty: unchanged', members_n: '{n} members', members_add: 'Add {n}', may_talk: 'may talk',
  },
  sheets: {
    waiting: 'Print {n} sheets', once: 'Passwords are shown only once. Print the sheets, hand them out, then destroy them here.', forget: 'Destroy', made: 'A password was made: see “Print sheets”', address: 'Address', password: 'First password', sip_server: 'SIP server', sip_user: 'SIP user', sip_secret: 'SIP password', user_help: 'The password must be changed at the first log-in. Do not lend it.',
    phone_help: 'Dial a group’s number to listen; press * to ask for the floor, talk after the tone, press # when done.',
  },
  import: {
    file: 'CSV file', template: 'Template', columns: 'Columns: {list}', apply: 'Import {n} rows', unknown: 'Unknown columns, ignored: {list}', problems: '{n} rows are wrong; mend them and choose the file again', refused: 'The server found {n} rows wrong; nothing was imported', done: 'Imported. Print the sheets at the top right.', checked: 'Checked, not imported yet.', checking: 'Checking…', line: 'Line', verdict: 'Verdict',
    too_many_cells: 'too many cells', bad_number: 'bad number', number_twice: 'number twice', no_name: 'no name', hint: 'CSV as Excel saves it (UTF-8 or GBK). The file is checked first; nothing is imported before you say so.', create: 'new', update: 'change', same: 'unchanged', error: 'wrong', change: 'change', refused_row: 'wrong', create_ok: 'new', skip: 'skipped',
  },
  audit: { title: 'Audit log', how: 'A hash chain; verify it with guantong audit verify', from: 'From no.', earlier: 'Earlier', by: 'By', action: 'Action', target: 'Target', result: 'Result', source: 'From', detail: 'Detail', hash: 'Hash', none: 'No entries' },
  action: { user_secret: 'change password', user_end_sessions: 'end sessions', user_set: 'set user', user_delete: 'delete user', group_set: 'set group', group_delete: 'delete group', member_set: 'set member', member_delete: 'remove member', unit_set: 'set unit', unit_delete: 'delete unit', extension_set: 'set extension', extension_delete: 'delete extension', position_set: 'set position', position_delete: 'delete position', position_take: 'sit down or leave', patch_set: 'patch', patch_part: 'part patch', alert_acknowledge: 'acknowledge alert', alert_clear: 'clear alert', object_keep: 'keep for long', site_set: 'set site or exercise', node_set: 'node changed', node_wish: 'node ordered', node_token: 'node token made', node_join: 'node joined', audit_trim: 'trim audit', refused: 'refused', login: 'log-in', logout: 'log-out', replay: 'replay', export: 'export', import: 'import', end_emergency: 'end emergency call', break_in: 'break-in', force_clear: 'force-clear', monitor: 'monitor', call_place: 'place call', call_answer: 'answer call', call_hang: 'hang up', call_hold: 'hold call', call_resume: 'resume call', call_pickup: 'pick up call', call_dismiss: 'take phone out of group', call_transfer: 'transfer call', call_admit: 'let phone into group' },
  fault: { bad_request: 'Wrong request', not_allowed: 'Not allowed', not_found: 'Not found', conflict: 'Somebody else changed it; look again', busy: 'The server is busy; try again', cut_off: 'The server cannot be reached', full: 'The server’s disk is full', broken: 'Something broke' },
  reason: {
    login_busy: 'Log-in is busy; wait', login_throttled: 'Too many attempts; wait', too_many_requests: 'Too many requests; wait', same_password: 'The new password is the old one', password_too_long: 'The password is too long', user_disabled: 'This account is disabled', unit_revoked: 'This unit is revoked', wrong_code: 'Wrong one-time code', no_recipient: 'This message is not for you to sign', not_a_member: 'You are not a member of this group', right_missing: 'You lack the right', not_yours: 'Not your desk or number', group_patched: 'A group is in another patch', patch_too_small: 'A patch needs two groups', patch_stands: 'The group is still patched; part it first', patch_unknown: 'The patch is gone', call_state: 'The call has changed', call_unknown: 'The call is over', no_such_call: 'No such call', not_reachable: 'Cannot be reached', too_many_calls: 'Too many calls', yourself: 'You cannot call yourself', whom: 'Say whom', trunk: 'The trunk cannot be used', empty_message: 'The message is empty', too_long: 'Too long', too_large: 'Too large', hash_mismatch: 'The hash does not match', upload_quota: 'Too many unfinished uploads', precedence: 'Only dispatchers send flash messages', own_roles: 'Another administrator has to give you roles', own_user: 'You cannot delete yourself', roles_exclude: 'These roles exclude one another', bad_number: 'Bad number', bad_name: 'Bad name', bad_user_name: 'Bad user name', bad_role: 'Bad role', bad_unit_kind: 'Bad kind', unit_unknown: 'No such unit', recording_missing: 'The recording is not here', talk_unknown: 'No such talk', overflow_loop: 'The overflow goes in a circle', bad_minutes: 'Bad lifetime', secret_missing: 'A password is missing', password_needed: 'A new user name needs a new password',
    login: 'Your session has ended', wrong_password: 'Wrong user or password', bad_credentials: 'Wrong user or password', wrong_totp: 'Wrong one-time code', bad_totp: 'Wrong one-time code', throttled: 'Too many attempts; wait', too_many_attempts: 'Too many attempts; wait', disabled: 'This account is disabled', weak_password: 'Too weak: 10 characters or more, and not a common one', password_too_short: 'Too short', password_reused: 'Must differ from the old one',
    must_change: 'Change your password first', unreachable: 'The server cannot be reached', no_answer: 'The server does not answer', not_member: 'You are not a member of this group', group_unknown: 'No such group', not_allowed: 'Not allowed', forbidden: 'Not allowed', revision: 'Somebody else changed it; look again', stale_revision: 'Somebody else changed it; look again', exists: 'Exists already', number_taken: 'The number is taken',
    already_patched: 'A group is in another patch', disk_reserve: 'The disk is at its reserve: nothing can be written', file_too_large: 'Larger than 50 MB', bad_hash: 'The hash does not match', internal: 'Server error', busy: 'Busy', no_quorum: 'No quorum: cannot be changed now', dial_denied: 'The class of service does not allow this number', occupied: 'Somebody sits there', ended: 'It has ended',
  },
}
export default en
