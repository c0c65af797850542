"""What follows a number in Chinese text: units of measurement, measure words; and the readings of signs."""

from __future__ import annotations

import re

UNITS: dict[str, str] = {
    "km/h": "千米每小时",
    "km²": "平方千米",
    "km2": "平方千米",
    "m/s": "米每秒",
    "cm²": "平方厘米",
    "cm2": "平方厘米",
    "mm²": "平方毫米",
    "mm2": "平方毫米",
    "m²": "平方米",
    "m2": "平方米",
    "㎡": "平方米",
    "cm³": "立方厘米",
    "cm3": "立方厘米",
    "m³": "立方米",
    "m3": "立方米",
    "km": "千米",
    "dm": "分米",
    "cm": "厘米",
    "mm": "毫米",
    "μm": "微米",
    "nm": "纳米",
    "m": "米",
    "kg": "千克",
    "mg": "毫克",
    "g": "克",
    "t": "吨",
    "ml": "毫升",
    "mL": "毫升",
    "L": "升",
    "l": "升",
    "min": "分钟",
    "ms": "毫秒",
    "s": "秒",
    "h": "小时",
    "dB": "分贝",
    "db": "分贝",
    "kHz": "千赫兹",
    "MHz": "兆赫兹",
    "GHz": "吉赫兹",
    "Hz": "赫兹",
    "kWh": "千瓦时",
    "kW": "千瓦",
    "MW": "兆瓦",
    "W": "瓦",
    "kV": "千伏",
    "V": "伏",
    "mAh": "毫安时",
    "mA": "毫安",
    "Pa": "帕",
    "kPa": "千帕",
    "hPa": "百帕",
    "kcal": "千卡",
    "°F": "华氏度",
    "℉": "华氏度",
}

UNIT_PATTERN = "|".join(re.escape(unit) for unit in sorted(UNITS, key=len, reverse=True))

_MEASURE_WORDS = str.split(
    "个半 平方千米 平方公里 平方米 立方米 千米 公里 厘米 毫米 微米 纳米 分米 米 千克 公斤 毫克 克 吨 斤 毫升 升 分钟 "
    "毫秒 秒 小时 钟头 分贝 千赫兹 兆赫兹 吉赫兹 赫兹 千瓦时 千瓦 兆瓦 瓦 千伏 伏 毫安时 毫安 千帕 百帕 帕 千卡 华氏度 "
    "人民币 美元 欧元 英镑 日元 港币 港元 元 块 毛 角 分 "
    "万 亿 千 百 个 位 名 人 只 支 枝 张 条 根 本 册 卷 篇 页 章 节 课 幅 件 套 双 对 副 顶 把 架 台 辆 艘 列 部 座 栋 "
    "幢 间 家 所 层 片 块 粒 颗 株 棵 朵 束 串 头 匹 口 尾 杯 瓶 碗 盘 盒 箱 袋 包 桶 罐 壶 份 道 项 种 类 样 门 首 则 "
    "封 声 次 回 遍 趟 场 局 轮 届 期 岁 年 月 日 号 天 周 星期 "
    "代 倍 成 度 户 组 排 行 队 群 批 顿 笔 票 格 步 圈 级 段 "
    "滴 阵 股 团 堆 扇 枚 面 盏 棒 拳 句 字 词 集 款 米粒 寸 尺 丈 亩 公顷 里 海里 楼 点 时 刻"
)
_TO_TRADITIONAL = str.maketrans(
    "个张条页节课双对顶台辆栋间层块颗头杯盘罐壶种类样门则声轮届岁号组队顿笔级阵团盏词亩顷里楼点时只钟万亿毫厘纳镑币",
    "個張條頁節課雙對頂臺輛棟間層塊顆頭杯盤罐壺種類樣門則聲輪屆歲號組隊頓筆級陣團盞詞畝頃裡樓點時隻鐘萬億毫釐納鎊幣",
)
_BOTH_SCRIPTS = {*_MEASURE_WORDS, *(word.translate(_TO_TRADITIONAL) for word in _MEASURE_WORDS), "蚊", "餐", "粒"}
MEASURE_PATTERN = "|".join(sorted(_BOTH_SCRIPTS, key=len, reverse=True))

_ORDERED = str.split("月 日 号 楼 级 期 届 代 里 章 节 课 页 周 星期 百 成")
NOT_TWO_AS_PAIR = frozenset({*_ORDERED, *(word.translate(_TO_TRADITIONAL) for word in _ORDERED)})
"""Measure words before which 2 stays 二 because it counts in order (二月, 二楼) or by custom (二百)."""

SIGNS: dict[int, str] = str.maketrans(
    {
        **{chr(0x2460 + n): word for n, word in enumerate(str.split("一 二 三 四 五 六 七 八 九 十"))},
        **dict(
            zip(
                "αβγδεζηθικλμνξοπρστυφχψω",
                str.split(
                    "阿尔法 贝塔 伽玛 德尔塔 艾普西龙 捷塔 依塔 西塔 艾欧塔 喀帕 拉姆达 缪 拗 克西 欧米克伦 派 肉 西格玛 "
                    "套 宇普西龙 服艾 器 普赛 欧米伽"
                ),
                strict=True,
            )
        ),
        "ς": "西格玛",
        "Δ": "德尔塔",
        "Σ": "西格玛",
        "Ω": "欧米伽",
        "/": "每",
        "+": "加",
        "×": "乘",
        "÷": "除",
        "=": "等于",
        "±": "正负",
        "≈": "约等于",
        "≠": "不等于",
        "≤": "小于等于",
        "≥": "大于等于",
        "№": "第",
        "〇": "零",
    }
)

SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
