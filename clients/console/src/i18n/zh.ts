// Written for dispatchers (调度员). The words are those of the product: 话权, 派接, 席位, 签收, 强插, 强拆, 监听.
export default {
  app: { title: '应急通信调度台' },
  ui: {
    close: '关闭', loading: '正在加载…', logout: '退出登录', cancel: '取消', remove: '移除', find: '输入名称或号码查找', search: '搜索', all: '全部', time: '时间', print: '打印',
    add: '新建', edit: '修改', save: '保存', delete: '删除', show: '查看', kind_unit: '人员', kind_group: '通话组', kind_position: '席位',
  },
  nav: { label: '主菜单', dispatch: '调度', calls: '电话', messages: '消息', journal: '通信记录', positions: '值班', admin: '管理', audit: '审计' },
  light: { link: '服务器', media: '语音', mic: '话筒', disk: '磁盘余 {n}%' },
  login: { user: '登录名', password: '密码', totp: '动态口令（6 位）', submit: '登录', busy: '正在登录…' },
  bye: {
    session_ended: '登录已失效，请重新登录。', logged_out: '已退出登录。', revoked: '您的登录已被管理员终止。', password_changed: '密码已修改，请用新密码登录。', unreachable: '连不上服务器，正在等待其恢复。',
  },
  password: {
    title: '首次登录，请修改密码', why: '初始密码只能使用一次。修改之前不能进行其他操作。', old: '当前密码', new: '新密码', again: '再输一次新密码', differs: '两次输入的新密码不一致', submit: '修改密码', change: '修改密码', done: '密码已修改',
  },
  totp: { title: '动态口令', on: '已启用', off: '未启用', begin: '启用动态口令', how: '在身份验证器中手工添加以下密钥，再输入显示的 6 位口令。', confirm: '确认', remove: '停用' },
  settings: {
    title: '本机设置', sound: '声音', mic: '话筒', speaker: '收听设备', alarm: '告警第二输出（扬声器）', system: '跟随系统', no_second: '不用第二输出', duck: '讲话时压低其他组的声音', echo: '消除回声（用扬声器时必须开）', noise: '抑制噪声',
    gain: '自动调节话筒音量', key: '发话键', key_now: '当前按键：', key_learn: '更换按键或脚踏开关', key_press: '请按下新的按键…', key_space: '恢复空格键', key_silent: '在输入框中打字时，此键仍可发话。', key_typing: '在输入框中打字时，此键不发话。打字时也要发话，请改用 F1–F24、Pause 等键，或接入 HID 脚踏。',
    pedal: '接入 HID 脚踏', pedals: '已接入：{names}', pedal_hint: 'HID 脚踏不占用键盘，在任何输入框中都能发话。', pedal_none: '本浏览器不支持直接接入 HID 脚踏，请使用 Chrome 或 Edge，或把脚踏设为按键。', language: '语言',
  },
  tone: { grant: '可以讲话', deny: '被拒绝', queued: '已排队', nobody: '无人收听', revoked: '话权收回' },
  precedence: { label: '紧急程度', 'flash-override': '特提', flash: '特急', immediate: '加急', priority: '平急', routine: '普通' },
  kind: { talk: '通话组', broadcast: '广播组', temporary: '临时组', person: '人员', phone: '话机', terminal: '终端', gateway: '网关' },
  via: { console: '调度台', phone: '电话', outside: '外线' },
  groups: {
    title: '通话组', only_mine: '只看正在收听的', none: '没有可用的通话组。请系统管理员建立通话组，或把您加入通话组。', select_hint: '单击选中为发话对象；双击只选此组', deselect: '不再对 {name} 讲话', aimed: '发话', listening: '收听中', listen: '收听',
    monitor: '监听', monitoring: '监听中', force_clear: '强拆', idle: '空闲', joining: '正在加入…', not_listening: '未收听', me: '我在讲话', queue: '排队：', volume: '音量', silent: '静', side: '左右耳', left: '左', both: '双', right: '右',
    listen_only: '只听', cut: '连接中断', cannot_hear: '听不到', island: '独立运行', end_emergency: '结束紧急呼叫',
  },
  patch: { name: '派接', begin: '派接', pick: '点选要派接的通话组', choose: '请点选要派接的通话组（至少两个）', what: '派接后各组互相听见，共用一个话权', name_hint: '名称（可不填）', create: '派接这 {n} 个组', part: '拆除' },
  temporary: { begin: '临时组', title: '建立临时组', name: '名称', minutes: '有效时间（分钟）', who: '成员：人员，或整个通话组', create: '建立并选中' },
  ptt: {
    to: '发话对象', to_many: '多选发话（{n} 个组）', choose: '未选发话对象 — 点通话组名称选择', aria: '发话键，按住讲话', wait: '请继续按住，轮到时有提示音', hint: '按住空格键或按住此处讲话', hint_key: '按住 {key} 键或按住此处讲话', idle: '按住讲话', none: '请先选择通话组', requesting: '正在申请…', talking: '请讲话',
    nobody: '请讲话（无人收听，仅录音）', emergency: '紧急呼叫 — 请讲话', queued: '排队中，第 {n} 位', queued_plain: '排队中', left: '还可讲 {n} 秒', hear: '{n} 人能听到', hear_none: '无人能听到', hear_none_in: '{group} 无人能听到', hear_unknown: '选中通话组后显示谁能听到', deaf: '{n} 人听不到', all_hear: '在组人员都能听到',
    break_in: '强插', break_in_hint: '下一次按键强行插入，打断正在讲话的人（记入审计）', answer: { requesting: '申请中', granted: '已通', queued: '排队', denied: '未通' },
  },
  cause: {
    other: '不能讲话（{c}）', nothing_selected: '请先选择通话组', no_answer: '服务器没有应答', link_lost: '与服务器的连接中断', media_down: '语音通道未接通', mic_denied: '浏览器未允许使用话筒', mic_missing: '没有找到话筒', mic_lost: '话筒已断开', mic_unknown: '正在打开话筒…', mic_insecure: '本页不安全，不能用话筒',
    mic_busy: '话筒被其他程序占用', another_has_permission: '他人正在讲话', busy: '他人正在讲话', internal_error: '服务器内部错误', only_one_participant: '组内只有您一人', retry_after: '请稍等再按', receive_only: '您在此组只能收听', no_resources: '服务器资源不足', queue_full: '排队已满', other_cause: '请求被拒绝',
    only_one_client: '组内已无他人', burst_too_long: '已到讲话时限', too_long: '已到讲话时限', no_permission: '没有讲话权限', burst_preempted: '被更紧急的讲话抢占', preempted: '被更紧急的讲话抢占', pre_empted: '被更紧急的讲话抢占', no_resources_left: '服务器资源不足', revoked_by_another: '被调度员强拆', forced: '被调度员强拆', cleared: '被调度员强拆',
    withdrawn: '讲话权限已取消', silent: '没有收到您的声音', limit: '已到讲话时限', denied: '请求被拒绝', revoked: '话权被收回', ended: '通话已结束', unqueued: '已退出排队', left: '已离开', interrupted: '讲话中断', superseded: '另一处讲话优先',
  },
  emergency: { name: '紧急呼叫', aria: '紧急呼叫，按住 1.5 秒发出', hold: '按住 1.5 秒', keep: '请继续按住…', sent: '已发出，请讲话', retrying: '告警尚未送达，正在重发（第 {n} 次）', end: '结束紧急呼叫：{group}' },
  alerts: {
    title: '紧急告警', raised: '{at} 告警', place: '位置 {place}', no_place: '位置不明', acked: '{by} 已确认 {at} {pos}', ack: '由 {name} 确认', clear: '解除', talk: '对该组讲话', stage2: '已通知值班电话', stage3: '已上报上级站点', state: { raised: '未确认', acknowledged: '已确认', cleared: '已解除' },
  },
  calls: {
    title: '电话', dial: '拨号', call_name: '呼叫 {name}', dial_hint: '号码、姓名或外线', trunk: '中继', trunk_auto: '自动选中继', into: '接入', into_none: '不接入通话组', half: '半双工', none: '没有通话', live: '当前通话', log: '通话记录', log_none: '没有通话记录', missed_n: '未接来电 {n}', private: '单呼',
    unverified: '未鉴权', answer: '接听', pickup: '代接', hold: '保持', resume: '恢复', transfer: '转接', admit: '接入通话组', dismiss: '移出通话组', refuse: '拒接', hang: '挂断', mute: '闭音', muted: '已闭音，对方听不到', open_mic: '话筒已开，对方能听到您', press: '按住讲话', transfer_title: '把 {who} 转接到', admit_title: '把 {who} 接入通话组',
    admit_warning: '来电身份未经鉴权。接入后对方能听到组内全部讲话。', party: '对方', at: '席位 / 接听人', outcome: '结果', length: '时长', back: '回拨', again: '重拨', returned: '已回拨', incoming: '来电', state: { ringing: '振铃', queued: '等待接听', dialling: '正在呼叫', answered: '通话中', held: '已保持', in_group: '已接入通话组', ended: '已结束' },
    result: { answered: '已接', missed: '未接', busy: '忙', refused: '拒接', failed: '失败' },
  },
  messages: {
    title: '消息', several: '群发', several_title: '群发消息', unsigned: '待签收 {n} 条', files: '［附件］', search: '搜索消息内容', found: '找到 {n} 条', choose: '请选择左侧的通话组、席位或人员', older: '更早的消息', none: '还没有消息', sending: '正在发送，服务器尚未受理', not_accepted: '服务器未受理，消息没有发出。', retry: '重试', discard: '放弃',
    sign_wanted: '要求签收', sign: '签收', want_sign: '要求签收', expired: '已过有效期', no_receipts: '还没有回执', hint: '输入消息，回车发送，Shift+回车换行', send: '发送', attach: '附件', lifetime: '有效期', life_0: '不限', life_h: '{n} 小时', too_large: '{name} 超过 50 MB，不能发送', upload_retry: '链路中断，正在续传…',
  },
  receipt: { sending: '发送中', accepted: '已受理', delivered: '已送达', read: '已读', signed: '已签收' },
  presence: { online: '在线', offline: '不在线' },
  journal: {
    recent: '最近话音', all: '全部记录', none: '没有话音记录', play: '回放 {name} 的讲话', call: '电话通话', failed: '回放失败', group: '通话组', talker: '讲话人', talker_hint: '姓名或号码', from: '从', to: '到', through: '连续回放', sum: '{n} 段，共 {length}', export: '导出此时段', older: '更早的记录',
  },
  end: { revoked: '话权被收回', limit: '到讲话时限', too_long: '到讲话时限', cleared: '被强拆', forced: '被强拆', preempted: '被抢占', left: '讲话人离开', interrupted: '中断', silent: '无声音', withdrawn: '权限取消', call_ended: '通话结束', superseded: '被优先讲话取代' },
  positions: { title: '席位', none: '未就席', no_positions: '还没有席位。请系统管理员建立。', since: '{at} 起', empty: '无人值守', here: '本席', take: '就席', take_over: '接班（交班人 {from}）', leave: '离席' },
  handover: {
    take: '接班 · {name}', leave: '离席 · {name}', from: '交班', to: '接班', checking: '正在核对未签收消息…', alerts: '未解除告警 {n}', no_alerts: '没有未解除的告警', patches: '现有派接 {n}', no_patches: '没有派接', unsigned: '未签收消息 {n}', no_unsigned: '没有未签收的消息', no_missed: '没有未回的来电', note: '交班说明',
    read: '以上事项已逐项看过，由我接手', told: '以上事项已交代', confirm_take: '确认接班', confirm_leave: '确认离席', sign: '交班人签字：＿＿＿＿＿＿＿　接班人签字：＿＿＿＿＿＿＿', past: '历次交接班', none: '还没有交接班记录', counts: '告警 {a} · 派接 {p} · 未签收 {m}',
  },
  log: { title: '{site} {name} 值班日志', kind: '类别', what: '内容', none: '此时段没有记录', message: '消息', burst: '话音', alert: '告警', call: '电话', handover: '交接班', patch: '派接', receipt: '回执', group: '通话组', position: '席位', unit: '人员', member: '成员' },
  exercise: { banner: '演练 · {name} · 演练 · 本屏所示均为演练通信', mark: '演练 {name}', label: '演练名称', hint: '例如：2026 年度防汛演练', start: '开始演练', stop: '结束演练' },
  status: {
    title: '系统状态', none: '服务器尚未报告状态', health: '总体', well: '一切正常', disk: '磁盘', free: '剩余 {free} / 共 {total}', clock: '时钟', legs: '支路', legs_value: '调度台 {consoles} · 话机 {phones} · 通话 {calls} · 正在讲话 {talking} 组', cluster: '节点', leader: '主节点', follower: '从节点', quorum: '多数节点在线',
    no_quorum: '多数节点不在线，独立运行', process: '程序', process_value: '版本 {version} · 已运行 {up} · 内存 {mem}', link_up: '已连接', link_down: '中断',
  },
  degraded: { disk_low: '磁盘空间不足', disk_reserve: '磁盘已到保留线，暂停写入', no_quorum: '多数节点不在线', clock_untrusted: '时钟不可信', recorder_failed: '录音失败' },
  notice: {
    insecure: '本页不是安全连接（HTTPS），浏览器禁止使用话筒：您能看，但不能讲话。请用 https:// 地址打开，并请管理员安装本站点的根证书。', connecting: '正在连接服务器…', link_lost: '与服务器的连接已中断 {seconds} 秒：此刻您听不到、也讲不出，页面内容停在中断前。正在自动重连，请改用备用电话或电台。',
    media_down: '语音通道没有接通：消息和电话列表可用，但听不到、也不能讲话。正在自动重试。', degraded_disk_low: '服务器磁盘空间不足，请通知运维。通信不受影响。', degraded_disk_reserve: '服务器磁盘已到保留线：新消息和录音会被拒绝，语音照常。请立即通知运维。', degraded_no_quorum: '本站点多数节点不在线，独立运行：语音照常；消息先存在本节点，恢复后补齐。',
    degraded_clock_untrusted: '服务器时钟不可信：所示时间可能不准，请以值班钟为准。', degraded_recorder_failed: '录音失败：此刻的讲话没有录音。请通知运维，重要内容请同时笔录。', degraded_other: '系统降级：{what}', load_failed: '通话组等资料加载失败，列表可能不全。', mic_denied: '浏览器未允许使用话筒：您能听，不能讲。请点地址栏左侧图标，允许使用话筒。',
    mic_missing: '没有找到话筒：您能听，不能讲。请接上耳麦。', mic_lost: '话筒已断开：您能听，不能讲。请检查耳麦插头。', mic_busy: '话筒被其他程序占用：您能听，不能讲。请关闭占用话筒的程序。', autoplay: '浏览器拦住了声音：您现在听不到讲话和告警。', unplugged: '声音设备已拔出：{name}。声音可能已转到其他设备。',
    do_unblock: '点此打开声音', do_mic: '重试话筒', do_reload: '重新加载', do_settings: '检查声音设置',
  },
  field: {
    number: '号码', name: '名称', user_name: '登录名', unit: '人员 / 终端', roles: '角色', totp: '动态口令', disabled: '停用', must_change: '下次登录须改密码', password: '密码', kind: '类型', org: '单位', revoked: '已注销', priority: '优先级（0–7，大者先）', precedence: '紧急程度', talk_limit: '讲话时限（秒，0 为默认）', open: '开放（任何人可加入）',
    username: '话机账号', class: '拨出级别（空为不得拨外线）', vad: '声控发话（不用 * 和 # 键）', phones: '席位话机（来话同时振铃）', duty_phone: '值班电话', overflow: '无人接听转至席位', occupant: '在席', talk: '讲话权',
  },
  role: { dispatcher: '调度员', commander: '指挥员', operator: '运维', auditor: '审阅', unit: '终端用户', system_admin: '系统管理员', security_admin: '安全管理员', audit_admin: '审计管理员' },
  admin: {
    users: '用户', units: '人员与终端', groups: '通话组', extensions: '话机', positions: '席位', members: '组成员', import: '批量导入', one_users: '用户', one_units: '人员或终端', one_groups: '通话组', one_extensions: '话机', one_positions: '席位', new: '新建{what}', change: '修改{what}', none: '还没有', counts: '{u} 个人员与终端 · {g} 个通话组',
    confirm_delete: '确定删除“{what}”？', password_new: '留空则由系统生成', password_keep: '留空则不改', members_n: '{n} 个成员', members_add: '加入 {n} 人', may_talk: '可讲话',
  },
  sheets: {
    waiting: '打印账号单 {n} 张', once: '密码只显示这一次。请打印后分发，然后点“销毁”。', forget: '销毁', made: '已生成密码，请在“打印账号单”中查看', address: '网址', password: '初始密码', sip_server: 'SIP 服务器', sip_user: 'SIP 账号', sip_secret: 'SIP 密码', user_help: '首次登录须修改密码。请勿转借他人。',
    phone_help: '拨通话组号码即加入收听；按 * 键申请讲话，听到提示音后讲，讲完按 # 键。',
  },
  import: {
    file: '选择 CSV 文件', template: '下载模板', columns: '列名：{list}', apply: '导入 {n} 行', unknown: '不认识的列，将忽略：{list}', problems: '{n} 行有错，请改正后重新选择文件', refused: '服务器检查出 {n} 行有错，未导入任何一行', done: '已导入。账号单请在右上角打印。', checked: '检查通过，尚未导入。', checking: '正在检查…', line: '行', verdict: '检查结果',
    too_many_cells: '列数过多', bad_number: '号码不对', number_twice: '号码重复', no_name: '缺姓名', hint: '可直接使用 Excel 另存的 CSV（UTF-8 或 GBK）。选择文件后先检查，确认无误再导入。', create: '新建', update: '修改', same: '无变化', error: '有错', change: '修改', refused_row: '有错', create_ok: '新建', skip: '跳过',
  },
  audit: { title: '审计日志', how: '日志为哈希链，可用 guantong audit verify 核验', from: '从序号', earlier: '更早', by: '操作人', action: '操作', target: '对象', result: '结果', source: '来源', detail: '说明', hash: '哈希', none: '没有审计记录' },
  action: { user_secret: '修改密码', user_end_sessions: '强制下线', user_set: '设置用户', user_delete: '删除用户', group_set: '设置通话组', group_delete: '删除通话组', member_set: '设置成员', member_delete: '移出成员', unit_set: '设置人员', unit_delete: '删除人员', extension_set: '设置话机', extension_delete: '删除话机', position_set: '设置席位', position_delete: '删除席位', position_take: '就席、离席', patch_set: '派接', patch_part: '拆除派接', alert_acknowledge: '确认告警', alert_clear: '解除告警', object_keep: '长期保存', site_set: '站点与演练设置', node_set: '节点变更', node_wish: '节点调度指令', node_token: '签发节点入网令牌', node_join: '节点入网', audit_trim: '清理到期审计', refused: '拒绝操作', login: '登录', logout: '退出', replay: '回放', export: '导出', import: '批量导入', end_emergency: '结束紧急呼叫', break_in: '强插', force_clear: '强拆', monitor: '监听', call_place: '发起通话', call_answer: '接听', call_hang: '挂断', call_hold: '保持通话', call_resume: '恢复通话', call_pickup: '代接', call_dismiss: '移出通话组', call_transfer: '转接', call_admit: '电话接入通话组' },
  fault: { bad_request: '请求有误', not_allowed: '没有权限', not_found: '没有找到', conflict: '内容已被他人改动，请刷新后再试', busy: '服务器繁忙，请稍后再试', cut_off: '连不上服务器', full: '服务器磁盘已满', broken: '系统出错' },
  reason: {
    login_busy: '登录繁忙，请稍候', login_throttled: '尝试过多，请稍候再登录', too_many_requests: '请求过多，请稍候', same_password: '新密码与旧密码相同', password_too_long: '密码过长', user_disabled: '此账号已停用', unit_revoked: '此人员或终端已注销', wrong_code: '动态口令不对', not_a_member: '您不是此组成员', no_recipient: '此消息不是发给您的，无须签收', right_missing: '您没有此项权限', not_yours: '不是您的席位或号码', group_patched: '有通话组已在别的派接中', patch_too_small: '派接至少要两个组', patch_stands: '通话组仍在派接中，请先拆除', patch_unknown: '派接已不存在', call_state: '通话状态已变', call_unknown: '通话已结束', no_such_call: '没有这个通话', not_reachable: '对方无法接通', too_many_calls: '同时通话过多', yourself: '不能呼叫自己', whom: '请选择对象', trunk: '中继不可用', empty_message: '消息没有内容', too_long: '内容过长', too_large: '文件过大', hash_mismatch: '文件校验不符', upload_quota: '未完成的上传过多', precedence: '只有调度员能发特急、特提消息', own_roles: '须由其他管理员授予您角色', own_user: '不能删除自己', roles_exclude: '三员角色不能兼任', bad_number: '号码不对', bad_name: '名称不对', bad_user_name: '登录名只能用小写字母、数字和 . _ -', bad_role: '角色不对', bad_unit_kind: '类型不对', unit_unknown: '没有这个人员或终端', recording_missing: '录音不在本节点', talk_unknown: '没有这个通话', overflow_loop: '溢出席位成环', bad_minutes: '有效时间不对', secret_missing: '缺少密码', password_needed: '改话机账号须同时给新密码',
    login: '登录已失效', wrong_password: '登录名或密码不对', bad_credentials: '登录名或密码不对', wrong_totp: '动态口令不对', bad_totp: '动态口令不对', throttled: '尝试过多，请稍候再登录', too_many_attempts: '尝试过多，请稍候再登录', disabled: '此账号已停用', weak_password: '新密码太简单：至少 10 个字符，不能是常用密码', password_too_short: '新密码太短', password_reused: '新密码不能与旧密码相同',
    must_change: '请先修改密码', unreachable: '连不上服务器', no_answer: '服务器没有应答', not_member: '您不是此组成员', group_unknown: '没有这个通话组', not_allowed: '没有权限', forbidden: '没有权限', revision: '内容已被他人改动，请刷新后再试', stale_revision: '内容已被他人改动，请刷新后再试', exists: '已经存在', number_taken: '此号码已被占用',
    already_patched: '有通话组已在别的派接中', disk_reserve: '服务器磁盘已到保留线，不能写入', file_too_large: '文件超过 50 MB', bad_hash: '文件校验不符', internal: '服务器内部错误', busy: '对方忙', no_quorum: '多数节点不在线，暂不能修改', dial_denied: '拨出级别不允许此号码', occupied: '席位已有人', ended: '已结束',
  },
}
