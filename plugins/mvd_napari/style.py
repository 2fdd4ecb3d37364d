"""How the desk looks: quiet greys, one colour for what is chosen, type that can be read from where the slide is."""

WIDTH_PX = 370
"""Five fields side by side, and a line of measures in one breath."""

SHEET = """
#desk { background: #f3f4f3; }
#desk QLabel { color: #20282b; font-size: 14px; background: transparent; }
#desk #title { font-size: 21px; font-weight: 600; }
#desk #status { color: #5d686c; padding-bottom: 3px; }
#desk #mvd { font-size: 40px; font-weight: 600; }
#desk #unit { font-size: 15px; color: #5d686c; padding-bottom: 8px; }
#desk #sure { color: #5d686c; }
#desk #object { background: #ffffff; border: 1px solid #d9dedc; border-radius: 6px; }
#desk #stands { font-size: 15px; font-weight: 600; }
#desk #measures { font-size: 13px; color: #424c50; }
#desk #listTitle { color: #5d686c; padding-top: 4px; }
#desk #help { font-size: 13px; color: #424c50; }
#desk #note { font-size: 14px; color: #20282b; background: #e6efec; border-radius: 6px; padding: 8px 10px; }
#desk #note[wrong="true"] { background: #fdf0d5; }
#desk #question { background: #ffffff; border: 2px solid #0b6e76; border-radius: 6px; }
#desk #asked { font-size: 15px; }
#desk QPushButton {
    color: #20282b; background: #ffffff; border: 1px solid #c4cbc9; border-radius: 6px;
    padding: 8px 10px; font-size: 14px;
}
#desk QPushButton:hover { background: #e6efec; }
#desk QPushButton:disabled { color: #9aa3a5; background: #f3f4f3; border-color: #dfe3e2; }
#desk QPushButton#field { padding: 0px; min-width: 40px; }
#desk #fieldName { font-size: 13px; color: #5d686c; }
#desk #fieldCount { font-size: 23px; font-weight: 600; }
#desk QPushButton#field[leftOut="true"] { background: #e3e6e5; border-style: dashed; }
#desk #fieldCount[leftOut="true"] { color: #8b9496; }
#desk QPushButton#field[present="true"] { background: #0b6e76; border-color: #0b6e76; }
#desk #fieldName[present="true"], #desk #fieldCount[present="true"] { color: #ffffff; }
#desk QPushButton#finish { background: #20282b; color: #ffffff; border: none; font-size: 16px; padding: 11px; }
#desk QPushButton#finish:hover { background: #0b6e76; }
#desk QPushButton#finish:disabled { background: #c4cbc9; color: #f3f4f3; }
#desk QListWidget {
    background: #ffffff; color: #20282b; border: 1px solid #d9dedc; border-radius: 6px; font-size: 15px; outline: none;
}
#desk QListWidget::item { padding: 5px 8px; color: #20282b; }
#desk QListWidget::item:selected { background: #dcebe9; color: #20282b; }
#desk QLineEdit {
    background: #ffffff; color: #20282b; border: 1px solid #0b6e76; border-radius: 4px; padding: 7px; font-size: 15px;
}
#desk QProgressBar { background: #dfe3e2; border: none; border-radius: 3px; max-height: 8px; }
#desk QProgressBar::chunk { background: #0b6e76; border-radius: 3px; }
"""
