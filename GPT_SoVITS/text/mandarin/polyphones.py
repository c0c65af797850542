"""Characters with several readings, told apart by their neighbours where the dictionary of phrases has no word for it.

A line of the table is a character, a reading and the contexts in which it is read so; `_` is the character itself.
A context behind `!` speaks against the line. The first line that fits decides; with none the dictionary does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

_TABLE = """
还 huan2 _书 _钱 _债 _款 _清 _贷 _给 _我 _你 _他 _她 _您 _了 _掉 _完 有借有_ !_我行我素 !_你追我赶 !_了得
长 zhang3 _大 _高 _胖 _出 _满 _势 _相 _得 _成 _长了 _了很多 _了不少 _着 !_得多 !_大褂 !_出一口 !_满一尺
长 chang2 很_ 真_ 太_ 更_ 最_ 多_ 够_ 好_ 细_ 长_ 这么_ 那么_ 不_ _蛇 _裤 _袖 _腿 _剑 _矛 _桌 _尾巴 _鼻子 _耳朵 _头发 _胡子 _队 !队_
只 zhi1 一_ 三_ 四_ 五_ 六_ 七_ 八_ 九_ 十_ 百_ 千_ 万_ 几_ 每_ 这_ 那_ 哪_ 半_ !_是 !_有 !_能 !_要 !_会 !_好 !_怕 !_想 !_剩
种 zhong3 一_ 两_ 三_ 几_ 每_ 这_ 那_ 哪_ 各_ 多_ 某_ 此_ 何_ 品_ 有_ _子 _类 _种 _族
种 zhong4 _树 _花 _菜 _田 _地 _粮 _草 _了 _着 _上 _下 _满 _瓜 _豆 _水稻 _小麦 _玉米 _棉 _庄稼 _葡萄 _蔬菜 _果 _在 _过
得 de2 我_了 你_了 他_了 她_了 们_了 也_了 又_了 _奖 _过奖 我_到 你_到 他_到 她_到 们_到 没_到 _了第 _了冠军 _了病 _了满分 !觉_ !懂_ !记_
得 dei3 我_走 我_去 我_来 我_回 我_先 我_想 我_看 我_把 我_说 我_做 我_好好 你_走 你_去 你_来 你_回 你_先 你_想 你_看 你_把 你_说 你_做 你_好好
得 dei3 他_走 他_去 他_来 他_回 他_先 他_想 他_把 她_走 她_去 她_来 她_回 她_先 她_把 们_走 们_去 们_来 们_回 们_先 们_想 们_看 们_把 们_做
得 dei3 就_ 还_ 也_ 都_ 总_ 非_ 必须_ 可_ !_到 !_知 !_意 !_罪 !_了 !还_了 !也_了 !就_了 !_奖
得 de5 跑_快 跑_很 走_快 走_慢 飞_高 飞_远 说_好 说_很 写_好 写_很 唱_好 唱_很 做_好 做_很 学_快 学_好 长_快 看_见 听_见 吃_饱 睡_香 玩_很
教 jiao1 _我 _你 _他 _她 _您 _书 _给 _孩子 _学生 _英语 _数学 _语文 _唱 _跳 _画 _游泳 _做 _会我 _会你 _会他 _会了 _得 _过 _了 !宗_ !佛_ !道_ !说_ !信_
背 bei1 _着 _起 _负 _黑锅 _书包 _枪 _带 _篓 _我 _你 _他 _她 !_着手 !_着良心 !_着人 !_着光 !_着风 !_着他 !_着我 !_着她 !后_ !手_
干 gan1 晒_ 晾_ 烘_ 擦_ 吹_ 风_ 烤_ 榨_ 吸_ 衣服_了 头发_了 嘴唇_ 口_舌 墨水_了 泪_了 油漆_了 _了又 !_活 !_部 !_事 !_吗 !_嘛 !_什么 !_得
干 gan4 _活 _部 _嘛 _什么 _事 _劲 _线 _啥 _架 _完 _不了 _得 _一番 能_ 实_ 苦_ !_事物
倒 dao3 墙_ 树_ 房_ 跌_ 摔_ 推_ 打_ 病_ 晕_ 昏_ 累_ 绊_ 滑_ 卧_ 醉_ 压_ 击_ 难_ 吓_ 扑_ 栽_ 晃_ _闭 _下 _塌 _霉 _台 _地不起 _卖 _班 !打_车 !_下来的水
数 shu3 _一数 数一_ 一_ _了一 _了两 _了三 _了半 _了好几 _了几 _不清 _得上 _落 _钱 _星星 _到一 _到三 _到十 _到百 不可胜_ 数不胜_ 屈指可_ !一_据
量 liang2 _一量 量一_ _体温 _身高 _血压 _尺寸 _体重 _了一 _了量 _三围 _一下 丈_ 测_ !重_ !数_ !大_
行 hang2 一_字 两_字 三_字 几_字 每_字 一_诗 两_诗 几_诗 一_树 一_白鹭 两_泪 一_代码 两_代码 几_代码 每_代码 第一_ 第二_ 第三_ 最后一_ 换_ 首_ 逐_ !换_为
曾 zeng1 _国藩 _参 _祖 _孙 _巩 _荫权 _志伟 姓_
单 shan4 _雄信 _县 _田芳 姓_
冲 chong4 _着 _劲 _压 !_着澡 !_着水 !_着咖啡
系 ji4 _鞋 _领带 _扣 _围 _红领巾 _腰带 _好 _上 _紧 _着 _安全带 !关_ !联_ !体_ !派_ !直_ !母_ !父_ !星_ !山_ !水_
切 qie1 _菜 _肉 _片 _丝 _块 _开 _成 _断 _丁 _碎 _西瓜 _蛋糕 _水果 _葱 _姜 _蒜 _苹果 _面包 _下 _了 !一_ !密_ !急_ !亲_ !真_ !关_ !贴_ !热_ !深_ !确_ !迫_ !恳_
削 xiao1 _苹果 _铅笔 _皮 _梨 _水果 _尖 _面 _成 _好 切_ 刀_ _了皮 !_皮求
卷 juan4 _子 _宗 _轴 试_ 问_ 答_ 考_ 案_ 手不释_ 画_ 阅_ 交_ 改_ 第一_ 第二_ 第三_ 第四_ 上_ 下_ 开_有益 !_子弹 !上_起 !下_起
圈 juan4 猪_ 羊_ 牛_ 马_ _养 _肥
塞 sai4 _翁 _外 _北 _罕坝 要_ 边_ 出_
弹 tan2 _琴 _吉他 _钢琴 _奏 _古筝 _唱 _起来 _出 _了一曲 _首 _跳 _指 _脑壳
藏 cang2 _起 _在 _着 _身 _好 _到 !西_在 !宝_ !道_
炸 zha2 _鸡 _薯 _酱 _糕 _鱼 _虾 _串 _油条 _丸 _春卷 _豆腐 _洋葱 _猪排 _物 油_ 煎_ 酥_ 软_
挣 zheng4 _钱 _脱 _了 _来 _到 _够 _工资 _开
剥 bao1 _皮 _开 _橘 _桔 _花生 _虾 _蒜 _壳 _鸡蛋 _香蕉 _葱 _瓜子 _豆 _玉米 _毛豆 _了皮 !盘_
盛 cheng2 _饭 _汤 _菜 _满 _水 _一碗 _了一 _了碗 _粥 _着 _器 _酒 !_满园 !_菜系
吐 tu4 _血 _了 _奶 呕_ 想_ 上_下泻 晕车_ 喝_ !_了口气 !_了一口气 !_了舌头 !_了吐舌
中 zhong4 _奖 _毒 _暑 _弹 _枪 _计 _标 _彩 _邪 _招 _箭 _举 _状元 _靶 _了 打_ 击_ 射_ 命_ 猜_ 选_ 砸_ !_标题 !_了解 !_国 !_间 !_心 !_学 !_文 !_央 !_午 !_年
转 zhuan4 _圈 _盘 _速 _悠 _个不停 _来转去 _了一圈 _了两圈 _了三圈 _了几圈 打_ 团团_ 一圈一圈地_
钻 zuan1 _进 _出 _入 _到 _过 _来 _去 _研 _探 _孔 _洞 _木 _空子 _牛角尖 _在
扎 za1 _辫 _头发 _马尾 _染 包_ 捆_ 结_ _彩 _着辫
哄 hong3 _孩子 _骗 _她 _他 _你 _我 _睡 _人 _着 _宝宝
场 chang2 一_雨 一_雪 一_大雨 一_大雪 一_病 一_大病 一_梦 一_空 一_暴雨 一_风 一_大风 一_仗 这_雨 这_雪 这_大雨 那_雨 那_雪 两_雨 几_雨 几_雪
尽 jin3 _快 _早 _量 _管 _可能 !_量词
重 chong2 _启 _试 _装 _连 _拍 _做 _写 _来 _发 _传 _考 _读 _赛 _置 _播 _登 _建 _组 _制 _述 _逢 _返 _申 _温 _演 _游 _叠 _整 !严_ !沉_ !比_ !轻_ !体_ !保_ !敬_ !尊_ !看_ !加_
喝 he4 _彩 _令 _斥 _问 _止
散 san3 _文 _装 _落 _漫 _乱 _沙 _户 _客 _光 _打 _件 _架 松_ 零_ 懒_ 头发_
宿 xiu3 一_没 两_ 三_ 住了一_ 整_
嚼 jiao2 _口香糖 _碎 _着 _东西 _烂 _不动 细_慢咽
斗 dou3 一_米 两_米 三_米 五_米 八_ 车载_量 漏_ 烟_
任 ren2 姓_ 老_
朴 piao2 姓_ _槿惠 _正熙 _智星
区 ou1 姓_
查 zha1 姓_ _良镛
华 hua4 _佗 _山论剑 姓_
盖 ge3 姓_
翟 zhai2 姓_ _天临 _志刚 _先生 _女士 _老师
"""
_SURNAMES = str.split("任 ren2 朴 piao2 单 shan4 区 ou1 查 zha1 曾 zeng1 盖 ge3 缪 miao4 覃 qin2 乐 yue4 燕 yan1 华 hua4 宁 ning4")
_TITLES = str.split("先生 女士 小姐 老师 师傅 教授 医生 经理 同学 阿姨 叔叔 老板 大夫 主任 校长 局长")
"""A surname is read so before a title, where it begins the run or follows a word that cannot end in it."""
_BEGINNING = "^"
_BEFORE_NAMES = f"{_BEGINNING}的和与跟是找请叫问给向对为让由见"


@dataclass(frozen=True, slots=True)
class Context:
    """What stands right before and right after a character; ^ before it is the beginning of the text."""

    before: str
    after: str

    def fits(self, text: str, index: int) -> bool:
        """Tell whether the character at `index` of `text` stands in this context."""
        if self.before == _BEGINNING:
            return index == 0 and text.startswith(self.after, 1)
        return text.startswith(self.after, index + 1) and text.endswith(self.before, 0, index)


@dataclass(frozen=True, slots=True)
class ContextRule:
    """A reading (pinyin with its tone digit) and the contexts for it and against it."""

    pinyin: str
    contexts: tuple[Context, ...]
    exceptions: tuple[Context, ...]

    def fits(self, text: str, index: int) -> bool:
        """Tell whether the character at `index` of `text` is read so."""
        return any(context.fits(text, index) for context in self.contexts) and not any(
            context.fits(text, index) for context in self.exceptions
        )


def readings_by_context(text: str) -> Mapping[int, str]:
    """Return place -> pinyin for those characters of `text` whose neighbours decide their reading."""
    rules = _rules()
    found: dict[int, str] = {}
    for index, character in enumerate(text):
        for rule in rules.get(character, ()):
            if rule.fits(text, index):
                found[index] = rule.pinyin
                break
    return found


@cache
def _rules() -> dict[str, list[ContextRule]]:
    rules: dict[str, list[ContextRule]] = {}
    for surname, pinyin in zip(_SURNAMES[::2], _SURNAMES[1::2], strict=True):
        for before in _BEFORE_NAMES:
            contexts = tuple(Context(before, title) for title in _TITLES)
            rules.setdefault(surname, []).append(ContextRule(pinyin, contexts, ()))
    for line in _TABLE.strip().splitlines():
        character, pinyin, *written = line.split()
        rules.setdefault(character, []).append(
            ContextRule(
                pinyin,
                tuple(_context(context) for context in written if not context.startswith("!")),
                tuple(_context(context[1:]) for context in written if context.startswith("!")),
            )
        )
    return rules


def _context(written: str) -> Context:
    before, _, after = written.partition("_")
    return Context(before, after)
